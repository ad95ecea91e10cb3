import { type LabelSet, overlaid } from "./label-set.ts";
import type { SeriesLimit } from "./series-limit.ts";
import { type EncodedLabels, encodeLabels, type WriteRequests } from "./write-request.ts";

/** What is sent of one series. */
export interface Series {
  /** When it was last observed. */
  updatedMs: number;
  /** The zeros that a new one begins with. */
  begin(requests: WriteRequests, nowMs: number): void;
  /** What it is now; nothing before `begin`. */
  collect(requests: WriteRequests, nowMs: number): void;
}

export type FamilyParts<S extends Series> = {
  readonly limit: SeriesLimit;
  readonly external: ReadonlyMap<string, string>;
  /** How many series of Prometheus one of these is. */
  readonly cost: number;
  readonly create: (labels: EncodedLabels, nowMs: number) => S;
};

/** Instead of the labels of series beyond the limit. */
const OVERFLOW: LabelSet = { key: "", labels: [["metric_overflow", "true"]] };

/** All series of one metric. */
export class MetricFamily<S extends Series> {
  readonly #parts: FamilyParts<S>;
  readonly #series = new Map<string, S>();
  #overflow: S | undefined;

  constructor(parts: FamilyParts<S>) {
    this.#parts = parts;
  }

  /**
   * The series with these labels; when it is new and one too many, the one for all of those. Of use
   * for one batch of spans: later it may be forgotten.
   */
  of(labels: LabelSet, nowMs: number): S {
    const known = this.#series.get(labels.key);
    if (known !== undefined) return known;
    if (!this.#parts.limit.add(this.#parts.cost)) {
      this.#overflow ??= this.#create(OVERFLOW, nowMs);
      return this.#overflow;
    }
    const created = this.#create(labels, nowMs);
    this.#series.set(labels.key, created);
    return created;
  }

  *all(): Generator<S, void, void> {
    yield* this.#series.values();
    if (this.#overflow !== undefined) yield this.#overflow;
  }

  removeStale(beforeMs: number): void {
    let removed = 0;
    for (const [key, { updatedMs }] of this.#series) {
      if (updatedMs >= beforeMs) continue;
      this.#series.delete(key);
      removed++;
    }
    this.#parts.limit.remove(this.#parts.cost * removed);
    if (this.#overflow !== undefined && this.#overflow.updatedMs < beforeMs) {
      this.#overflow = undefined;
    }
  }

  #create({ labels }: LabelSet, nowMs: number): S {
    return this.#parts.create(encodeLabels(overlaid(labels, this.#parts.external)), nowMs);
  }
}
