import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { TagFilter } from "./tag-filter.ts";

export type TagStats = {
  readonly segmentCount: number;
  readonly segmentBytes: number;
  /** 0 when the catalog alone answered. */
  readonly inspectedBytes: number;
};

export function inspect(
  segments: readonly SegmentSummary[],
  filter: TagFilter | undefined,
): TagStats {
  let segmentBytes = 0;
  let inspectedBytes = 0;
  for (const meta of segments) {
    segmentBytes += meta.byteSize;
    if (filter?.mayMatch(meta)) inspectedBytes += meta.byteSize;
  }
  return { segmentCount: segments.length, segmentBytes, inspectedBytes };
}

const encoder = new TextEncoder();

/** Counts down UTF-8 bytes; the first text that does not fit ends it. */
export class ByteBudget {
  readonly #maxBytes: number;
  #used = 0;
  #spent = false;

  /** 0 = no bound. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  take(...texts: readonly string[]): boolean {
    if (this.#maxBytes === 0) return true;
    if (this.#spent) return false;
    for (const text of texts) this.#used += encoder.encode(text).length;
    this.#spent = this.#used > this.#maxBytes;
    return !this.#spent;
  }
}
