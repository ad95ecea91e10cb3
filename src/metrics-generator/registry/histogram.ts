import { bytesToHex } from "../../util/hex.ts";
import { plainDecimal } from "../../util/plain-decimal.ts";
import { firstSampleMs } from "./first-sample.ts";
import type { Series } from "./metric-family.ts";
import {
  type EncodedLabels,
  encodeLabel,
  encodeLe,
  encodeName,
  type SeriesName,
  type WriteRequests,
} from "./write-request.ts";

/** What all histograms of a metric have in common. */
export class HistogramShape {
  /** Upper bounds, rising; what is above all of them is in one more bucket. */
  readonly bounds: readonly number[];
  readonly sumName: Uint8Array;
  readonly countName: Uint8Array;
  readonly bucketName: Uint8Array;
  /** Of each bucket. */
  readonly les: readonly Uint8Array[];
  readonly traceIdLabel: string;

  constructor(metric: string, bounds: readonly number[], traceIdLabel: string) {
    this.bounds = bounds;
    this.sumName = encodeName(`${metric}_sum`);
    this.countName = encodeName(`${metric}_count`);
    this.bucketName = encodeName(`${metric}_bucket`);
    this.les = [...bounds, Number.POSITIVE_INFINITY].map((bound) => encodeLe(plainDecimal(bound)));
    this.traceIdLabel = traceIdLabel;
  }

  /** Series of Prometheus: buckets, that of +Inf, sum and count. */
  get seriesCount(): number {
    return this.bounds.length + 3;
  }
}

/** A classic histogram with an exemplar in each bucket. */
export class Histogram implements Series {
  updatedMs: number;
  readonly #shape: HistogramShape;
  readonly #labels: EncodedLabels;
  readonly #weights: Float64Array;
  #sum = 0;
  #isNew = true;
  /** Of each bucket the last one since they were sent: a trace id and the value that it had. */
  readonly #exampleIds: Uint8Array;
  readonly #examples: Float64Array;

  constructor(shape: HistogramShape, labels: EncodedLabels, nowMs: number) {
    const buckets = shape.les.length;
    this.#shape = shape;
    this.#labels = labels;
    this.#weights = new Float64Array(buckets);
    this.#exampleIds = new Uint8Array(16 * buckets);
    this.#examples = new Float64Array(buckets).fill(Number.NaN);
    this.updatedMs = nowMs;
  }

  /** `weight`: how often the value was seen. The 16 bytes at `ids[at]` are the id of its trace. */
  observe(value: number, weight: number, ids: Uint8Array, at: number, nowMs: number): void {
    const { bounds } = this.#shape;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#weights[bucket]! += weight;
    this.#sum += value * weight;
    this.updatedMs = nowMs;
    const to = 16 * bucket;
    for (let i = 0; i < 16; i++) this.#exampleIds[to + i] = ids[at + i]!;
    this.#examples[bucket] = value;
  }

  begin(requests: WriteRequests, nowMs: number): void {
    if (!this.#isNew) return;
    this.#isNew = false;
    const { countName, bucketName, les } = this.#shape;
    const firstMs = firstSampleMs(nowMs);
    requests.sample(this.#named(countName), 0, firstMs);
    for (const le of les) requests.sample(this.#named(bucketName, le), 0, firstMs);
  }

  collect(requests: WriteRequests, nowMs: number): void {
    if (this.#isNew) return;
    const { sumName, countName, bucketName, les } = this.#shape;
    let count = 0;
    for (const weight of this.#weights) count += weight;
    requests.sample(this.#named(sumName), this.#sum, nowMs);
    requests.sample(this.#named(countName), count, nowMs);
    let below = 0;
    for (const [bucket, le] of les.entries()) {
      const series = this.#named(bucketName, le);
      below += this.#weights[bucket]!;
      requests.sample(series, below, nowMs);
      this.#sendExample(requests, series, bucket, nowMs);
    }
  }

  #named(name: Uint8Array, le?: Uint8Array): SeriesName {
    return { labels: this.#labels, name, le };
  }

  #sendExample(requests: WriteRequests, series: SeriesName, bucket: number, nowMs: number): void {
    const value = this.#examples[bucket]!;
    if (Number.isNaN(value)) return;
    this.#examples[bucket] = Number.NaN;
    const hex = bytesToHex(this.#exampleIds.subarray(16 * bucket, 16 * bucket + 16));
    // As Tempo has it, whose links to traces take such ids too.
    const label = encodeLabel(this.#shape.traceIdLabel, hex.replace(/^0+/, ""));
    requests.exemplar(series, { label, value }, nowMs);
  }
}
