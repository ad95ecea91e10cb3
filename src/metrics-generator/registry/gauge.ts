import type { Series } from "./metric-family.ts";
import type { EncodedLabels, SeriesName, WriteRequests } from "./write-request.ts";

/** A series that is always 1: what its labels say holds. */
export class InfoGauge implements Series {
  updatedMs: number;
  readonly #name: SeriesName;

  constructor(name: Uint8Array, labels: EncodedLabels, nowMs: number) {
    this.#name = { labels, name, le: undefined };
    this.updatedMs = nowMs;
  }

  begin(): void {}

  collect(requests: WriteRequests, nowMs: number): void {
    requests.sample(this.#name, 1, nowMs);
  }
}
