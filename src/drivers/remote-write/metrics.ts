import type { WriteBatch } from "./batch-queue.ts";

export type WriteCounts = Pick<WriteBatch, "sampleCount" | "exemplarCount">;

/**
 * What became of the batches of one endpoint. Each that is queued is sent, failed or dropped later,
 * and counts as pending until then.
 */
export interface RemoteWriteMetrics {
  queued(tenant: string, counts: WriteCounts): void;
  sent(tenant: string, counts: WriteCounts): void;
  /** The endpoint refused it for good. */
  failed(tenant: string, counts: WriteCounts): void;
  /** It never got an answer that settles it: no room, no time. */
  dropped(tenant: string, counts: WriteCounts): void;
  /** It will be sent once more; any number of times. */
  retried(tenant: string, counts: WriteCounts): void;
}
