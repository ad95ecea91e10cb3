import type { AnyValueLike } from "../../traceql/sql/field.ts";
import { compareText } from "./label-value.ts";

/** How the points of one series that several statements tell are put together. */
export type PointMerge = "sum" | "min" | "max";

export type TableSeries = {
  /** Values of the by-fields; undefined = nil. */
  readonly by: readonly (AnyValueLike | undefined)[];
  readonly byKey: string;
  /** Of histograms the bucket's exponent, else 0. */
  readonly exponent: number;
  /** NaN where nothing was told. */
  readonly values: Float64Array;
  /** How many spans `values` speak of; empty unless asked for. */
  readonly counts: Float64Array;
};

export type SeriesTableSettings = {
  readonly bucketCount: number;
  readonly merge: PointMerge;
  readonly withCounts: boolean;
};

/** Numbers held in all series together: 8 bytes each, twice that while the table is pruned. */
const MAX_CELLS = 2_000_000;
/** Beside them each series costs some hundred bytes. */
const MAX_SERIES = 20_000;
/** UTF-16 units of the keys. */
const MAX_KEY_LENGTH = 16 * 1024 * 1024;

/**
 * Series by their labels' values, bounded: of too many those with the smallest keys stay, so the
 * same data leave the same series whatever the order they come in, each with all of its points.
 */
export class SeriesTable {
  readonly #settings: SeriesTableSettings;
  readonly #limit: number;
  readonly #series = new Map<string, TableSeries>();
  #keyLength = 0;
  /** Keys from this on were dropped. */
  #cut: string | undefined;

  constructor(settings: SeriesTableSettings) {
    this.#settings = settings;
    const { bucketCount, withCounts } = settings;
    const cells = Math.max(1, bucketCount * (withCounts ? 2 : 1));
    this.#limit = Math.max(1, Math.min(MAX_SERIES, Math.floor(MAX_CELLS / cells)));
  }

  /** Most series that stay. */
  get limit(): number {
    return this.#limit;
  }

  get truncated(): boolean {
    return this.#cut !== undefined;
  }

  /** The series, made when it is new; undefined when the table has no place for it. */
  find(
    byKey: string,
    exponent: number,
    by: () => readonly (AnyValueLike | undefined)[],
  ): TableSeries | undefined {
    const key = exponent === 0 ? byKey : byKey + String.fromCharCode(exponent);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#cut !== undefined && key >= this.#cut) return undefined;
    if (this.#series.size >= 2 * this.#limit || this.#keyLength > 2 * MAX_KEY_LENGTH) {
      this.#prune();
      if (this.#cut !== undefined && key >= this.#cut) return undefined;
    }
    const { bucketCount, withCounts } = this.#settings;
    const made: TableSeries = {
      by: by(),
      byKey,
      exponent,
      values: new Float64Array(bucketCount).fill(Number.NaN),
      counts: new Float64Array(withCounts ? bucketCount : 0),
    };
    this.#series.set(key, made);
    this.#keyLength += key.length;
    return made;
  }

  add(series: TableSeries, bucket: number, value: number, count: number): void {
    const { values, counts } = series;
    const before = values[bucket]!;
    if (Number.isNaN(before)) values[bucket] = value;
    else if (this.#settings.merge === "sum") values[bucket] = before + value;
    else if (this.#settings.merge === "min") values[bucket] = Math.min(before, value);
    else values[bucket] = Math.max(before, value);
    if (counts.length > 0) counts[bucket] = counts[bucket]! + count;
  }

  /** By key. What is added later comes into the same series. */
  list(): TableSeries[] {
    this.#pruneTo(this.#limit);
    const list = [...this.#series].sort(([a], [b]) => compareText(a, b)).map(([, each]) => each);
    // Some buckets of the last group may have been dropped, and then it would be wrong.
    const last = list.at(-1);
    if (last === undefined || !this.truncated || last.exponent === 0) return list;
    return list.filter(({ byKey }) => byKey !== last.byKey);
  }

  #prune(): void {
    this.#pruneTo(Math.min(this.#limit, Math.ceil(this.#series.size / 2)));
  }

  #pruneTo(size: number): void {
    if (this.#series.size <= size) return;
    const keys = [...this.#series.keys()].sort(compareText);
    this.#cut = keys[size]!;
    for (const key of keys.slice(size)) {
      this.#series.delete(key);
      this.#keyLength -= key.length;
    }
  }
}
