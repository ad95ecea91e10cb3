import { WireWriter } from "../../util/wire-writer.ts";
import type { Label } from "./label-set.ts";

/** A `prometheus.WriteRequest`, not compressed. */
export type WriteRequestBody = {
  readonly body: ArrayBuffer;
  readonly sampleCount: number;
  readonly exemplarCount: number;
};

/** Labels of a series as fields of a `TimeSeries`, but `__name__` and `le`, which stand between. */
export type EncodedLabels = {
  readonly beforeName: Uint8Array;
  readonly beforeLe: Uint8Array;
  readonly afterLe: Uint8Array;
};

const NAME = "__name__";
const LE = "le";
const NO_BYTES = new Uint8Array(0);

/** `labels` are sorted by name. */
export function encodeLabels(labels: readonly Label[]): EncodedLabels {
  return {
    beforeName: encodedOf(labels.filter(([name]) => name < NAME)),
    beforeLe: encodedOf(labels.filter(([name]) => name > NAME && name < LE)),
    afterLe: encodedOf(labels.filter(([name]) => name > LE)),
  };
}

/** One label as a field of a `TimeSeries`. */
export function encodeLabel(name: string, value: string): Uint8Array {
  return encodedOf([[name, value]]);
}

export function encodeName(metric: string): Uint8Array {
  return encodeLabel(NAME, metric);
}

export function encodeLe(bound: string): Uint8Array {
  return encodeLabel(LE, bound);
}

function encodedOf(labels: readonly Label[]): Uint8Array {
  if (labels.length === 0) return NO_BYTES;
  const writer = new WireWriter(64 * labels.length);
  for (const [name, value] of labels) {
    writer.byte(0x0a);
    const label = writer.begin();
    for (const [tag, text] of [
      [0x0a, name],
      [0x12, value],
    ] as const) {
      const bytes = encoder.encode(text);
      writer.byte(tag);
      writer.varint32(bytes.length);
      writer.append(bytes);
    }
    writer.end(label);
  }
  return writer.bytes.slice(0, writer.length);
}

const encoder = new TextEncoder();

export type Exemplar = {
  /** A label as a field of an `Exemplar`. */
  readonly label: Uint8Array;
  readonly value: number;
};

/** Whose sample it is: the labels of the series with its name, and with a bound in a bucket's. */
export type SeriesName = {
  readonly labels: EncodedLabels;
  readonly name: Uint8Array;
  readonly le: Uint8Array | undefined;
};

/** Puts samples into requests of a bounded number of samples, one `TimeSeries` for each. */
export class WriteRequests {
  readonly #maxSamples: number;
  readonly #writer = new WireWriter(64 * 1024);
  #samples = 0;
  #exemplars = 0;
  readonly #full: WriteRequestBody[] = [];

  constructor(maxSamples: number) {
    this.#maxSamples = maxSamples;
  }

  sample(series: SeriesName, value: number, unixMs: number): void {
    const writer = this.#writer;
    const timeSeries = this.#open(series);
    writer.byte(0x12);
    const sample = writer.begin();
    this.#value(0x09, value, 0x10, unixMs);
    writer.end(sample);
    writer.end(timeSeries);
    this.#samples++;
    this.#closeWhenFull();
  }

  exemplar(series: SeriesName, { label, value }: Exemplar, unixMs: number): void {
    const writer = this.#writer;
    const timeSeries = this.#open(series);
    writer.byte(0x1a);
    const exemplar = writer.begin();
    writer.append(label);
    this.#value(0x11, value, 0x18, unixMs);
    writer.end(exemplar);
    writer.end(timeSeries);
    this.#exemplars++;
    this.#closeWhenFull();
  }

  /** Those that are full, once; with `rest` what was begun too. */
  take(rest: boolean): WriteRequestBody[] {
    if (rest) this.#close();
    return this.#full.splice(0);
  }

  #open({ labels, name, le }: SeriesName): number {
    const writer = this.#writer;
    writer.byte(0x0a);
    const timeSeries = writer.begin();
    writer.append(labels.beforeName);
    writer.append(name);
    writer.append(labels.beforeLe);
    if (le !== undefined) writer.append(le);
    writer.append(labels.afterLe);
    return timeSeries;
  }

  #value(valueTag: number, value: number, timeTag: number, unixMs: number): void {
    this.#writer.byte(valueTag);
    this.#writer.double(value);
    this.#writer.byte(timeTag);
    this.#writer.varint64(BigInt(unixMs));
  }

  #closeWhenFull(): void {
    if (this.#samples + this.#exemplars >= this.#maxSamples) this.#close();
  }

  #close(): void {
    if (this.#samples + this.#exemplars === 0) return;
    const { bytes, length } = this.#writer;
    const [sampleCount, exemplarCount] = [this.#samples, this.#exemplars];
    this.#full.push({ body: bytes.slice(0, length).buffer, sampleCount, exemplarCount });
    this.#writer.length = 0;
    this.#samples = 0;
    this.#exemplars = 0;
  }
}
