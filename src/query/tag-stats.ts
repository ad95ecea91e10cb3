import type { SegmentSummary } from "../schema/segment-meta.ts";

export type TagStats = {
  readonly segmentCount: number;
  readonly segmentBytes: number;
  /** 0 when the catalog alone answered. */
  readonly inspectedBytes: number;
};

/** `inspected`: those of the segments that were read. */
export function inspect(
  segments: readonly SegmentSummary[],
  inspected: Iterable<SegmentSummary>,
): TagStats {
  const [segmentBytes, inspectedBytes] = [bytesOf(segments), bytesOf(inspected)];
  return { segmentCount: segments.length, segmentBytes, inspectedBytes };
}

function bytesOf(segments: Iterable<SegmentSummary>): number {
  let bytes = 0;
  for (const { byteSize } of segments) bytes += byteSize;
  return bytes;
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
