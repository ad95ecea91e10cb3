import type { SpanBatch } from "../model/span-batch.ts";

export type ProcessorName = "span-metrics" | "service-graphs" | "host-info";

/** Derives series from spans. */
export interface Processor {
  readonly name: ProcessorName;
  /** `rows`: of the batch, rising. The batch is another one afterwards. */
  observe(batch: SpanBatch, rows: Uint32Array, nowMs: number): void;
  /** Called now and then, also while no spans come. */
  tick(nowMs: number): void;
  /** Spans that filter policies left out. */
  readonly filtered: number;
}
