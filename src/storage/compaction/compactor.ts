import { PintailError } from "../../errors.ts";
import type { Lsn, SegmentMeta, WalRange } from "../../schema/segment-meta.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { chooseMerge, type MergeLimits } from "./choose-merge.ts";
import type { FromCompactionWorker, ToCompactionWorker } from "./messages.ts";

type JobOf<T extends ToCompactionWorker["type"]> = Omit<
  Extract<ToCompactionWorker, { type: T }>,
  "id"
>;

export type CompactorParts = {
  readonly catalog: Catalog;
  /** Runs a job in the compaction thread; rejects when the thread is gone. */
  readonly run: (job: JobOf<"l1"> | JobOf<"merge">) => Promise<FromCompactionWorker>;
  readonly voids: (range: WalRange) => readonly WalRange[];
  /** The WAL may drop what lies before. */
  readonly releaseWal: (before: Lsn) => Promise<void>;
  readonly maxAttributeBytesOf: (tenant: string) => number;
  readonly compactionDisabled: (tenant: string) => boolean;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly metrics: CompactionMetrics;
};

export interface CompactionMetrics {
  compacted(level: number, inputs: number, spans: number, bytesWritten: number): void;
  failed(): void;
}

export type CompactorSettings = {
  /** L1 is built when the L0 segments hold this many spans … */
  readonly l1Spans: number;
  /** … or the oldest of them is this old, … */
  readonly l1AfterMs: number;
  /** … or there are this many of them (queries that follow each other cut often). */
  readonly l1Segments: number;
  readonly merge: MergeLimits;
  readonly mergeDisabled: boolean;
};

/** After a failed job the next try waits this long. */
const RETRY_MS = 5000;

/**
 * Turns L0 segments into L1 (by decoding their WAL range again) and merges small segments. `tick`
 * is called by the owner's timer; one job runs at a time.
 */
export class Compactor {
  readonly #parts: CompactorParts;
  readonly #settings: CompactorSettings;
  #running: Promise<void> | undefined;
  #notBeforeMs = 0;
  #closed = false;

  constructor(parts: CompactorParts, settings: CompactorSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Starts the job that is due, if any and if none runs. Never rejects. */
  tick(): void {
    if (this.#closed || this.#running !== undefined) return;
    if (this.#parts.nowMs() < this.#notBeforeMs) return;
    const job = this.#l1Due() ? this.buildL1() : this.#dueMerge();
    if (job === undefined) return;
    this.#running = job
      .catch((e) => {
        this.#notBeforeMs = this.#parts.nowMs() + RETRY_MS;
        this.#parts.metrics.failed();
        this.#parts.log.error("compaction failed", { error: String(e) });
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Waits for the job under way; starts no more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  /** Builds L1 from everything cut so far; resolves when it is committed and the WAL released. */
  async buildL1(): Promise<void> {
    const { catalog } = this.#parts;
    const { cutTo, releasedTo } = catalog.walPositions();
    if (cutTo <= releasedTo) return;
    const walRange = { from: releasedTo, to: cutTo };
    const l0 = this.#l0().filter((s) => s.walRange !== undefined && s.walRange.to <= cutTo);
    const byTenant = Map.groupBy(l0, (s) => s.tenant);
    const reply = await this.#parts.run({
      type: "l1",
      walRange,
      voids: this.#parts.voids(walRange),
      replaces: [...byTenant].map(([tenant, s]) => ({ tenant, ids: s.map((m) => m.id) })),
      maxAttributeBytes: [...byTenant.keys()].map((tenant) => ({
        tenant,
        bytes: this.#parts.maxAttributeBytesOf(tenant),
      })),
      defaultMaxAttributeBytes: this.#parts.maxAttributeBytesOf(""),
    });
    const metas = this.#metasOf(reply);
    const inL0 = sum(l0);
    const inL1 = sum(metas);
    if (inL1 < inL0) {
      // The WAL no longer yields what was acknowledged: keep L0, which has it.
      throw new PintailError(
        "corrupt",
        `L1 of WAL ${walRange.from}-${walRange.to} has ${inL1} spans, its L0 segments have ${inL0}`,
      );
    }
    await catalog.commit({ add: metas, remove: l0.map((s) => s.id), releasedTo: cutTo });
    await this.#parts.releaseWal(cutTo);
    this.#report(1, l0, metas);
  }

  #l1Due(): boolean {
    const l0 = this.#l0();
    if (l0.length === 0) {
      const { cutTo, releasedTo } = this.#parts.catalog.walPositions();
      // Only refused records: nothing to build, but the WAL can go.
      return cutTo - releasedTo > EMPTY_RANGE_BYTES;
    }
    const oldestMs = Math.min(...l0.map((s) => s.createdUnixMs));
    return (
      l0.length >= this.#settings.l1Segments ||
      sum(l0) >= this.#settings.l1Spans ||
      this.#parts.nowMs() - oldestMs >= this.#settings.l1AfterMs
    );
  }

  #l0(): SegmentMeta[] {
    const { catalog } = this.#parts;
    return catalog.tenants().flatMap((t) => catalog.segments(t).filter((s) => s.level === 0));
  }

  #dueMerge(): Promise<void> | undefined {
    if (this.#settings.mergeDisabled) return undefined;
    const { catalog, compactionDisabled } = this.#parts;
    for (const tenant of catalog.tenants()) {
      if (compactionDisabled(tenant)) continue;
      const chosen = chooseMerge(catalog.segments(tenant), this.#settings.merge);
      if (chosen !== undefined) return this.#merge(tenant, chosen);
    }
    return undefined;
  }

  async #merge(tenant: string, segments: readonly SegmentMeta[]): Promise<void> {
    const metas = this.#metasOf(await this.#parts.run({ type: "merge", tenant, segments }));
    if (sum(metas) !== sum(segments)) {
      throw new PintailError(
        "corrupt",
        `a merge of ${sum(segments)} spans gave ${sum(metas)} (tenant ${tenant})`,
      );
    }
    const { catalog } = this.#parts;
    // Retention may have dropped an input meanwhile: then the result would bring it back.
    if (segments.some((s) => catalog.segment(s.id) === undefined)) return;
    await catalog.commit({ add: metas, remove: segments.map((s) => s.id) });
    this.#report(metas[0]?.level ?? 2, segments, metas);
  }

  #metasOf(reply: FromCompactionWorker): readonly SegmentMeta[] {
    if (reply.type === "failed") throw new PintailError(reply.kind, reply.message);
    return reply.metas;
  }

  #report(level: number, inputs: readonly SegmentMeta[], metas: readonly SegmentMeta[]): void {
    const bytes = metas.reduce((total, m) => total + m.byteSize, 0);
    this.#parts.metrics.compacted(level, inputs.length, sum(metas), bytes);
    this.#parts.log.info("segments compacted", {
      level,
      inputs: inputs.length,
      outputs: metas.length,
      spanCount: sum(metas),
      bytes,
    });
  }
}

/** Refused records alone keep at most this much of the WAL. */
const EMPTY_RANGE_BYTES = 16 * 1024 * 1024;

function sum(segments: readonly SegmentMeta[]): number {
  return segments.reduce((total, s) => total + s.rowCount, 0);
}
