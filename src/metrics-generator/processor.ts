import type { SpanBatch } from "../model/span-batch.ts";

export type ProcessorName = "span-metrics" | "service-graphs" | "host-info";

export type ObserveRows = (rows: Uint32Array) => void;

/** Derives series from spans. */
export interface Processor {
  readonly name: ProcessorName;
  /** What observes rows of the batch, rising, in one or several steps. */
  over(batch: SpanBatch, nowMs: number): ObserveRows;
  /** Called now and then, also while no spans come. */
  tick(nowMs: number): void;
  /** Spans that filter policies left out; undefined where there are no policies for it. */
  readonly filtered?: number;
}
