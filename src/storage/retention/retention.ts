import type { Logger } from "../../telemetry/logger.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { SegmentWriter } from "../segments/segment-writer.ts";
import type { RetentionSettings } from "../settings.ts";

export type RetentionParts = {
  readonly catalog: Catalog;
  readonly segments: Pick<SegmentWriter, "remove"> & {
    /** Whether it has to wait although its time has come: only the bucket has what it holds. */
    readonly isHeld?: (segment: { readonly tenant: string; readonly id: string }) => boolean;
  };
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
  readonly #settings: Pick<RetentionSettings, "deleteGraceMs" | "disabled">;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(
    parts: RetentionParts,
    settings: Pick<RetentionSettings, "deleteGraceMs" | "disabled">,
  ) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Never rejects; calls that overlap share one run. */
  run(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#running ??= this.#run()
      .catch((e) => {
        this.#parts.metrics.failed();
        this.#parts.log.error("retention failed", { error: e });
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** Waits for the run under way; later ones do nothing. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  /** While retention is disabled the files of what L1 replaced are still deleted. */
  async #run(): Promise<void> {
    if (!this.#settings.disabled) await this.#dropExpired();
    await this.#deleteFiles();
  }

  async #dropExpired(): Promise<void> {
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

  /** A file that cannot be deleted does not keep the others: the disk may be about to fill up. */
  async #deleteFiles(): Promise<void> {
    const { catalog, segments, metrics } = this.#parts;
    const deleted: string[] = [];
    const failures: unknown[] = [];
    for (const segment of catalog.deletable(this.#settings.deleteGraceMs)) {
      if (segments.isHeld?.(segment) === true) continue;
      try {
        await segments.remove([segment]);
        deleted.push(segment.id);
      } catch (e) {
        failures.push(e);
      }
    }
    if (deleted.length > 0) {
      await catalog.forget(deleted);
      metrics.deleted(deleted.length);
    }
    if (failures.length > 0) {
      throw new Error(`${failures.length} files not deleted`, { cause: failures[0] });
    }
  }
}
