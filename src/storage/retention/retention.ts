import type { Logger } from "../../telemetry/logger.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { SegmentWriter } from "../segments/segment-writer.ts";

export type RetentionParts = {
  readonly catalog: Catalog;
  readonly segments: Pick<SegmentWriter, "remove">;
  /** How long the tenant's spans are kept; 0 = for ever. */
  readonly retentionMsOf: (tenant: string) => number;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly metrics: RetentionMetrics;
};

export interface RetentionMetrics {
  dropped(segments: number): void;
  deleted(files: number): void;
  failed(): void;
}

/**
 * Drops segments whose latest span ended longer ago than the tenant's retention, and deletes files
 * that left the catalog at least `deleteGraceMs` ago (a running query may still read them).
 */
export class Retention {
  readonly #parts: RetentionParts;
  readonly #deleteGraceMs: number;
  #running: Promise<void> | undefined;

  constructor(parts: RetentionParts, settings: { readonly deleteGraceMs: number }) {
    this.#parts = parts;
    this.#deleteGraceMs = settings.deleteGraceMs;
  }

  /** Never rejects; calls that overlap share one run. */
  run(): Promise<void> {
    this.#running ??= this.#run()
      .catch((e) => {
        this.#parts.metrics.failed();
        this.#parts.log.error("retention failed", { error: String(e) });
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #run(): Promise<void> {
    await this.dropExpired();
    await this.deleteFiles();
  }

  async dropExpired(): Promise<void> {
    const { catalog, retentionMsOf, nowMs, log, metrics } = this.#parts;
    for (const tenant of catalog.tenants()) {
      const retentionMs = retentionMsOf(tenant);
      if (retentionMs <= 0) continue;
      const oldest = BigInt(Math.floor(nowMs() - retentionMs)) * 1_000_000n;
      // L0 stays: the L1 of its WAL range would bring it back; it goes as L1 a minute later.
      const expired = catalog
        .segments(tenant)
        .filter((s) => s.level > 0 && s.maxEnd < oldest)
        .map((s) => s.id);
      if (expired.length === 0) continue;
      await catalog.commit({ remove: expired });
      metrics.dropped(expired.length);
      log.info("segments expired", { tenant, segments: expired.length });
    }
  }

  async deleteFiles(): Promise<void> {
    const { catalog, segments, metrics } = this.#parts;
    const deletable = catalog.deletable(this.#deleteGraceMs);
    if (deletable.length === 0) return;
    await segments.remove(deletable);
    await catalog.forget(deletable.map((s) => s.id));
    metrics.deleted(deletable.length);
  }
}
