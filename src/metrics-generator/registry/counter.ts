import { firstSampleMs } from "./first-sample.ts";
import type { Series } from "./metric-family.ts";
import type { EncodedLabels, SeriesName, WriteRequests } from "./write-request.ts";

export class Counter implements Series {
  updatedMs: number;
  #value = 0;
  #isNew = true;
  readonly #name: SeriesName;

  constructor(name: Uint8Array, labels: EncodedLabels, nowMs: number) {
    this.#name = { labels, name, le: undefined };
    this.updatedMs = nowMs;
  }

  add(by: number, nowMs: number): void {
    this.#value += by;
    this.updatedMs = nowMs;
  }

  begin(requests: WriteRequests, nowMs: number): void {
    if (this.#isNew) requests.sample(this.#name, 0, firstSampleMs(nowMs));
    this.#isNew = false;
  }

  collect(requests: WriteRequests, nowMs: number): void {
    if (!this.#isNew) requests.sample(this.#name, this.#value, nowMs);
  }
}
