import type { AnyValueLike } from "../../../traceql/sql/field.ts";
import type { FinishedSeries } from "../finish-series.ts";
import { compareText, labelKey, labelText, NIL_VALUE, stringLabel } from "../label-value.ts";
import type { WorkingSeries } from "../second-stages.ts";

/** Spans of both groups. */
export type GroupCounts = { readonly baseline: number; readonly selection: number };

const GROUPS = ["baseline", "selection"] as const;

/** Numbers held of all values together, and of all totals, 8 bytes each. */
const MAX_CELLS = 4_000_000;
/** Beside its numbers each value costs some hundred bytes. */
const MAX_VALUES = 200_000;

type Counted = {
  readonly value: AnyValueLike;
  readonly buckets: Record<keyof GroupCounts, Float64Array>;
  readonly all: { baseline: number; selection: number };
};

/** How many spans have which attribute, and which of its values, in every bucket. */
export class ValueCounts {
  readonly #bucketCount: number;
  /** Most values, and most attributes. */
  readonly #limit: number;
  readonly #totals = new Map<string, Counted>();
  readonly #values = new Map<string, Map<string, Counted>>();
  #valueCount = 0;
  #truncated = false;

  constructor(bucketCount: number) {
    this.#bucketCount = bucketCount;
    this.#limit = Math.min(MAX_VALUES, MAX_CELLS / (GROUPS.length * bucketCount));
  }

  /**
   * Beyond the bounds new values are left out, and new attributes too, which the result tells; totals
   * of the others stay right.
   */
  addValue(attribute: string, value: AnyValueLike, bucket: number, counts: GroupCounts): void {
    const known = this.#value(attribute, value);
    if (known !== undefined) addTo(known, bucket, counts);
  }

  addTotal(attribute: string, bucket: number, counts: GroupCounts): void {
    const known = this.#total(attribute);
    if (known !== undefined) addTo(known, bucket, counts);
  }

  /**
   * The counts of a value of successive buckets, to the attribute's total too. `cells`: for each
   * bucket two numbers, some not 0. Without `value` they go to the total alone.
   */
  addCells(
    attribute: string,
    value: AnyValueLike | undefined,
    firstBucket: number,
    cells: Uint32Array,
  ): void {
    const total = this.#total(attribute);
    if (total === undefined) return;
    const known = value && this.#value(attribute, value);
    for (let at = 0, bucket = firstBucket; at < cells.length; at += 2, bucket++) {
      const each = { baseline: cells[at]!, selection: cells[at + 1]! };
      if (each.baseline === 0 && each.selection === 0) continue;
      addTo(total, bucket, each);
      if (known !== undefined) addTo(known, bucket, each);
    }
  }

  #value(attribute: string, value: AnyValueLike): Counted | undefined {
    const values = this.#values.get(attribute) ?? new Map<string, Counted>();
    this.#values.set(attribute, values);
    const key = labelKey(value);
    const known = values.get(key);
    if (known !== undefined) return known;
    if (this.#valueCount >= this.#limit) {
      this.#truncated = true;
      return undefined;
    }
    this.#valueCount++;
    const counted = this.#counted(value);
    values.set(key, counted);
    return counted;
  }

  #total(attribute: string): Counted | undefined {
    const known = this.#totals.get(attribute);
    if (known !== undefined) return known;
    if (this.#totals.size >= this.#limit) {
      this.#truncated = true;
      return undefined;
    }
    const counted = this.#counted(NIL_VALUE);
    this.#totals.set(attribute, counted);
    return counted;
  }

  /** Of each attribute and group the total, and the `topN` most frequent values. */
  finish(topN: number): FinishedSeries {
    const series: WorkingSeries[] = [];
    const add = (metaType: string, attribute: string, { value }: Counted, values: Float64Array) => {
      const labels = [stringLabel("__meta_type", metaType), { key: attribute, value }];
      series.push({ labels, values, exemplars: [] });
    };
    for (const [attribute, total] of this.#totals) {
      for (const group of GROUPS) {
        if (total.all[group] > 0) add(`${group}_total`, attribute, total, total.buckets[group]);
        for (const counted of this.#top(attribute, group, topN)) {
          add(group, attribute, counted, counted.buckets[group]);
        }
      }
    }
    return { series, truncated: this.#truncated };
  }

  /** Of equal counts the alphabetically earlier value comes first. */
  #top(attribute: string, group: keyof GroupCounts, topN: number): Counted[] {
    return [...(this.#values.get(attribute)?.values() ?? [])]
      .filter(({ all }) => all[group] > 0)
      .sort(
        (a, b) =>
          b.all[group] - a.all[group] || compareText(labelText(a.value), labelText(b.value)),
      )
      .slice(0, topN);
  }

  #counted(value: AnyValueLike): Counted {
    return {
      value,
      buckets: {
        baseline: new Float64Array(this.#bucketCount),
        selection: new Float64Array(this.#bucketCount),
      },
      all: { baseline: 0, selection: 0 },
    };
  }
}

function addTo({ buckets, all }: Counted, bucket: number, counts: GroupCounts): void {
  for (const group of GROUPS) {
    // Of segments that lie in the grid as a whole no row is asked whether it does: of a trace whose
    // spans end before they start, one may lie beyond.
    if (bucket < 0 || bucket >= buckets[group].length) continue;
    buckets[group][bucket]! += counts[group];
    all[group] += counts[group];
  }
}
