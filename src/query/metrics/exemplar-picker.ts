import type { TableSeries } from "./series-table.ts";

/** A span that stands for its series in one bucket. */
export type Exemplar = {
  readonly series: TableSeries;
  readonly bucket: number;
  readonly traceId: string;
  readonly startUnixNano: bigint;
  /** The measured value, in stored units. */
  readonly value: number | undefined;
};

const PER_SLICE = 2;

/** Takes few exemplars of many: at most two for each slice of the time, one for each trace. */
export class ExemplarPicker {
  readonly #limit: number;
  readonly #bucketCount: number;
  readonly #slices: Uint8Array;
  /** 1 for buckets that have a point. */
  readonly #points: Uint8Array;
  readonly #traces = new Set<string>();
  readonly picked: Exemplar[] = [];

  constructor(limit: number, bucketCount: number) {
    this.#limit = limit;
    this.#bucketCount = bucketCount;
    const most = Math.max(1, Math.floor(limit / PER_SLICE));
    this.#slices = new Uint8Array(Math.min(most, bucketCount));
    this.#points = new Uint8Array(bucketCount);
  }

  /** Some series has a point in the bucket, whether an exemplar for it was offered or not. */
  addPoint(bucket: number): void {
    this.#points[bucket] = 1;
  }

  /** Of each slice that has points, but no exemplar, one of the buckets with a point. */
  lackingBuckets(): number[] {
    const found: number[] = [];
    if (this.picked.length >= this.#limit) return found;
    let slice = -1;
    for (let bucket = 0; bucket < this.#bucketCount; bucket++) {
      if (this.#points[bucket] === 0 || this.sliceOf(bucket) === slice) continue;
      slice = this.sliceOf(bucket);
      if (this.#slices[slice] === 0) found.push(bucket);
    }
    return found;
  }

  /** Cheap to ask for every row: whether one of this bucket is still wanted. */
  wants(bucket: number): boolean {
    return this.picked.length < this.#limit && this.#slices[this.sliceOf(bucket)]! < PER_SLICE;
  }

  /** Whether a slice that these buckets are in has none yet, both ends among them. */
  lacksWithin(first: number, last: number): boolean {
    if (this.picked.length >= this.#limit) return false;
    return this.#slices.subarray(this.sliceOf(first), this.sliceOf(last) + 1).includes(0);
  }

  /** Number of the part of the time that a bucket is in: a part for each that may be picked. */
  partOf(bucket: number): number {
    return Math.floor((bucket * PER_SLICE * this.#slices.length) / this.#bucketCount);
  }

  offer(exemplar: Exemplar): void {
    if (!this.wants(exemplar.bucket) || this.#traces.has(exemplar.traceId)) return;
    const slice = this.sliceOf(exemplar.bucket);
    this.#slices[slice] = this.#slices[slice]! + 1;
    this.#traces.add(exemplar.traceId);
    this.picked.push(exemplar);
  }

  /** Number of the slice that a bucket is in. */
  sliceOf(bucket: number): number {
    return Math.floor((bucket * this.#slices.length) / this.#bucketCount);
  }
}
