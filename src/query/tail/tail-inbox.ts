import type { TailSpan } from "./tail-spans.ts";

/** What a tail has to tell its client. */
export type TailNews = {
  readonly spans: readonly TailSpan[];
  /** Matching spans that came after these and were dropped. */
  readonly droppedSpans: number;
  /** Segments that were not looked at: how many of their spans match is not known. */
  readonly skippedSegments: number;
};

export type InboxBounds = {
  readonly maxWaitingSpans: number;
  readonly maxWaitingBytes: number;
};

/** Spans that wait for one client to take them. What does not fit is counted instead. */
export class TailInbox {
  readonly #bounds: InboxBounds;
  #spans: TailSpan[] = [];
  #bytes = 0;
  #droppedSpans = 0;
  #skippedSegments = 0;
  #closed = false;
  #changed = Promise.withResolvers<void>();

  constructor(bounds: InboxBounds) {
    this.#bounds = bounds;
  }

  /** Returns how many were dropped. */
  add(spans: readonly TailSpan[], droppedBefore: number): number {
    let dropped = droppedBefore;
    for (const span of spans) {
      // Once one is dropped the rest of what waits stays without gaps: later ones are dropped too.
      const full =
        this.#droppedSpans > 0 ||
        this.#spans.length >= this.#bounds.maxWaitingSpans ||
        this.#bytes + span.bytes > this.#bounds.maxWaitingBytes;
      if (full) {
        dropped++;
        this.#droppedSpans++;
      } else {
        this.#spans.push(span);
        this.#bytes += span.bytes;
      }
    }
    this.#droppedSpans += droppedBefore;
    if (spans.length > 0 || dropped > 0) this.#changed.resolve();
    return dropped;
  }

  skipped(segments: number): void {
    this.#skippedSegments += segments;
    this.#changed.resolve();
  }

  /** No more comes; what waits is still given. */
  close(): void {
    this.#closed = true;
    this.#changed.resolve();
  }

  /** All news so far, as soon as there is any; `undefined` once closed and empty. */
  async next(): Promise<TailNews | undefined> {
    for (;;) {
      const news = this.#take();
      if (news !== undefined) return news;
      if (this.#closed) return undefined;
      await this.#changed.promise;
    }
  }

  #take(): TailNews | undefined {
    this.#changed = Promise.withResolvers();
    if (this.#closed) this.#changed.resolve();
    const spans = this.#spans;
    const droppedSpans = this.#droppedSpans;
    const skippedSegments = this.#skippedSegments;
    if (spans.length === 0 && droppedSpans === 0 && skippedSegments === 0) return undefined;
    this.#spans = [];
    this.#bytes = 0;
    this.#droppedSpans = 0;
    this.#skippedSegments = 0;
    return { spans, droppedSpans, skippedSegments };
  }
}
