import type { AnyValueLike } from "../../../traceql/sql/field.ts";
import type { FinishedSeries } from "../finish-series.ts";
import { labelKey, NIL_VALUE, stringLabel } from "../label-value.ts";
import type { WorkingSeries } from "../second-stages.ts";
import type { CountSink, GroupCounts } from "./count-sink.ts";
import type { ValueCounts } from "./value-counts.ts";

const GROUPS = ["baseline", "selection"] as const;
type Group = (typeof GROUPS)[number];

/** Numbers of all series together, 8 bytes each. */
const MAX_CELLS = 2_000_000;

/** The series of compare(): which there are is known from counts over all of the time. */
export class CompareSeries implements CountSink {
  readonly #series: WorkingSeries[] = [];
  /** By group, attribute and value. */
  readonly #values = new Map<string, Float64Array>();
  readonly #tops = new Map<string, AnyValueLike[]>();
  #truncated = false;

  constructor(counts: ValueCounts, topN: number, bucketCount: number) {
    for (const attribute of counts.attributes()) {
      const tops: AnyValueLike[] = [];
      this.#tops.set(attribute, tops);
      for (const group of GROUPS) {
        for (const { value } of counts.top(attribute, group, topN)) {
          this.#add(group, attribute, value, bucketCount);
          tops.push(value);
        }
        if (counts.total(attribute)[group] > 0) {
          this.#add(`${group}_total`, attribute, NIL_VALUE, bucketCount);
        }
      }
    }
  }

  /** Values to be counted. */
  tops(): ReadonlyMap<string, readonly AnyValueLike[]> {
    return this.#tops;
  }

  value(attribute: string, value: AnyValueLike, bucket: number, counts: GroupCounts): void {
    for (const group of GROUPS) this.#count(group, attribute, value, bucket, counts[group]);
  }

  total(attribute: string, bucket: number, counts: GroupCounts): void {
    for (const group of GROUPS)
      this.#count(`${group}_total`, attribute, NIL_VALUE, bucket, counts[group]);
  }

  finish(): FinishedSeries {
    return { series: this.#series, truncated: this.#truncated };
  }

  #add(
    metaType: Group | `${Group}_total`,
    attribute: string,
    value: AnyValueLike,
    bucketCount: number,
  ): void {
    if ((this.#series.length + 1) * bucketCount > MAX_CELLS) {
      this.#truncated = true;
      return;
    }
    const values = new Float64Array(bucketCount);
    this.#values.set(keyOf(metaType, attribute, value), values);
    const labels = [stringLabel("__meta_type", metaType), { key: attribute, value }];
    this.#series.push({ labels, values, exemplars: [] });
  }

  #count(
    metaType: Group | `${Group}_total`,
    attribute: string,
    value: AnyValueLike,
    bucket: number,
    count: number,
  ): void {
    const values = this.#values.get(keyOf(metaType, attribute, value));
    if (values !== undefined) values[bucket] = values[bucket]! + count;
  }
}

function keyOf(metaType: string, attribute: string, value: AnyValueLike): string {
  return `${metaType} ${attribute.length}:${attribute}${labelKey(value)}`;
}
