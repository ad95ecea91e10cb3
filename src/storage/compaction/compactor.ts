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
  /** Deletes the files of segments that no commit knows. */
  readonly removeFiles: (segments: readonly SegmentMeta[]) => Promise<void>;
  readonly maxAttributeBytesOf: (tenant: string) => number;
  readonly compactionDisabled: (tenant: string) => boolean;
  readonly log: Logger;
  /** Wall time, for the age of segments. */
  readonly nowMs: () => number;
  /** For the time between tries: the wall clock may be set back. */
  readonly monotonicMs: () => number;
  readonly metrics: CompactionMetrics;
};

export interface CompactionMetrics {
  compacted(level: number, inputs: number, spans: number, bytesWritten: number): void;
  failed(): void;
}

export type CompactorSettings = {
  /** L1 is built when the L0 segments hold this many spans … */
  readonly l1Spans: number;
  /** … or their WAL range has this size (a sender over its limit fills it), … */
  readonly l1WalBytes: number;
  /** … or the oldest of them is this old, … */
  readonly l1AfterMs: number;
  /** … or there are this many of them (queries that follow each other cut often). */
  readonly l1Segments: number;
  readonly merge: MergeLimits;
  readonly mergeDisabled: boolean;
};

/** After a failed job the next try waits this long. */
const RETRY_MS = 5000;
/** A merge that failed (a damaged input) must not keep other tenants' from their turn. */
const MERGE_RETRY_MS = 10 * 60_000;
/** After so many failures in a row L1 is made from the L0 segments instead of the WAL. */
const MAX_L1_FAILURES = 3;

/** What a job made and what it stands for, to be committed. */
type Finished = {
  readonly level: number;
  readonly inputs: readonly SegmentMeta[];
  readonly metas: readonly SegmentMeta[];
  /** Of an L1: the WAL up to here is no longer needed. */
  readonly releasedTo: Lsn | undefined;
};

/**
 * Turns L0 segments into L1 (by decoding their WAL range again) and merges small segments. `tick`
 * is called by the owner's timer; one job runs at a time.
 */
export class Compactor {
  readonly #parts: CompactorParts;
  readonly #settings: CompactorSettings;
  #running: Promise<void> | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #l1Failures = 0;
  /** Tenants whose last merge failed, and when the next may be tried. */
  readonly #mergeNotBeforeMs = new Map<string, number>();
  /** Its commit failed: whether it is on the disk is not known, so its files stay and it goes first. */
  #uncommitted: Finished | undefined;
  #closed = false;

  constructor(parts: CompactorParts, settings: CompactorSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Starts the job that is due, if any and if none runs. Never rejects. */
  tick(): void {
    if (this.#closed || this.#running !== undefined) return;
    if (this.#parts.monotonicMs() < this.#notBeforeMs) return;
    const job = this.#dueJob();
    if (job === undefined) return;
    this.#running = job
      .catch((error) => {
        this.#notBeforeMs = this.#parts.monotonicMs() + RETRY_MS;
        this.#parts.metrics.failed();
        this.#parts.log.error("compaction failed", { error });
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

  #dueJob(): Promise<void> | undefined {
    if (this.#uncommitted !== undefined) return this.#commit(this.#uncommitted);
    return this.#l1Due() ? this.#buildL1() : this.#dueMerge();
  }

  /** Builds L1 from everything cut so far; resolves when it is committed and the WAL released. */
  async #buildL1(): Promise<void> {
    const { catalog, log } = this.#parts;
    const { cutTo, releasedTo } = catalog.walPositions();
    if (cutTo <= releasedTo) return;
    const walRange = { from: releasedTo, to: cutTo };
    const inputs = this.#l0().filter((s) => s.walRange !== undefined && s.walRange.to <= cutTo);
    if (this.#l1Failures < MAX_L1_FAILURES) {
      const metas = await this.#l1FromWal(walRange, inputs);
      const lacking = lackingTenants(inputs, metas);
      if (lacking.length === 0) {
        await this.#commit({ level: 1, inputs, metas, releasedTo: cutTo });
        return;
      }
      await this.#discard(metas);
      log.error("the write-ahead log lacks spans that were acknowledged; merging L0 instead", {
        from: releasedTo,
        to: cutTo,
        tenants: lacking.length,
        tenant: lacking[0],
      });
    }
    const metas = await this.#mergeAll(inputs);
    await this.#commit({ level: 1, inputs, metas, releasedTo: cutTo });
  }

  async #l1FromWal(
    walRange: WalRange,
    l0: readonly SegmentMeta[],
  ): Promise<readonly SegmentMeta[]> {
    const byTenant = Map.groupBy(l0, (s) => s.tenant);
    try {
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
      return this.#metasOf(reply);
    } catch (e) {
      this.#l1Failures++;
      throw e;
    }
  }

  /**
   * The other way to L1, for a WAL that no longer yields what was acknowledged: L0 has all of it.
   * Without it one bad sector would keep the WAL and all head cuts for ever.
   */
  async #mergeAll(l0: readonly SegmentMeta[]): Promise<readonly SegmentMeta[]> {
    const metas: SegmentMeta[] = [];
    try {
      for (const [tenant, segments] of Map.groupBy(l0, (s) => s.tenant)) {
        for (const batch of batchesOf(segments, this.#settings.merge)) {
          metas.push(...(await this.#merged(tenant, batch)));
        }
      }
    } catch (e) {
      // L0 may be what is damaged: the WAL gets its turn again.
      this.#l1Failures = 0;
      await this.#discard(metas);
      throw e;
    }
    return metas;
  }

  #l1Due(): boolean {
    const l0 = this.#l0();
    const { cutTo, releasedTo } = this.#parts.catalog.walPositions();
    // Only refused records: nothing to build, but the WAL can go.
    if (l0.length === 0) return cutTo - releasedTo > EMPTY_RANGE_BYTES;
    if (cutTo - releasedTo > this.#settings.l1WalBytes) return true;
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
    const { catalog, compactionDisabled, monotonicMs } = this.#parts;
    for (const tenant of catalog.tenants()) {
      if (compactionDisabled(tenant)) continue;
      if (monotonicMs() < (this.#mergeNotBeforeMs.get(tenant) ?? Number.NEGATIVE_INFINITY))
        continue;
      const chosen = chooseMerge(catalog.segments(tenant), this.#settings.merge);
      if (chosen !== undefined) return this.#merge(tenant, chosen);
    }
    return undefined;
  }

  async #merge(tenant: string, inputs: readonly SegmentMeta[]): Promise<void> {
    let metas: readonly SegmentMeta[];
    try {
      metas = await this.#merged(tenant, inputs);
      this.#mergeNotBeforeMs.delete(tenant);
    } catch (e) {
      this.#mergeNotBeforeMs.set(tenant, this.#parts.monotonicMs() + MERGE_RETRY_MS);
      throw e;
    }
    const level = metas[0]?.level ?? 2;
    await this.#commit({ level, inputs, metas, releasedTo: undefined });
  }

  /** The spans of `segments` in as few segments as they fit in. */
  async #merged(tenant: string, segments: readonly SegmentMeta[]): Promise<readonly SegmentMeta[]> {
    const metas = this.#metasOf(await this.#parts.run({ type: "merge", tenant, segments }));
    if (sum(metas) === sum(segments)) return metas;
    await this.#discard(metas);
    throw new PintailError(
      "corrupt",
      `a merge of ${sum(segments)} spans gave ${sum(metas)} (tenant ${tenant})`,
    );
  }

  async #commit(finished: Finished): Promise<void> {
    const { catalog, releaseWal } = this.#parts;
    const { level, inputs, metas, releasedTo } = finished;
    const isThere = ({ id }: SegmentMeta) => catalog.segment(id) !== undefined;
    // Retention may have dropped an input meanwhile: then the result would bring it back. Unless it
    // is this very commit that took the inputs out, and only its answer failed.
    const outdated = releasedTo === undefined && !inputs.every(isThere) && !metas.some(isThere);
    this.#uncommitted = undefined;
    if (outdated) return this.#discard(metas);
    this.#uncommitted = finished;
    await catalog.commit({
      add: metas,
      remove: inputs.map((s) => s.id),
      ...(releasedTo === undefined ? {} : { releasedTo }),
    });
    this.#uncommitted = undefined;
    this.#report(level, inputs, metas);
    if (releasedTo === undefined) return;
    this.#l1Failures = 0;
    await releaseWal(releasedTo);
  }

  /** What stays in spite of this is cleaned up at the next start. */
  async #discard(metas: readonly SegmentMeta[]): Promise<void> {
    await this.#parts.removeFiles(metas).catch((error) => {
      this.#parts.log.warn("files of a failed compaction not deleted", { error });
    });
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

/** Tenants of whom `l1` has fewer spans than `l0`. */
function lackingTenants(l0: readonly SegmentMeta[], l1: readonly SegmentMeta[]): string[] {
  const made = Map.groupBy(l1, (s) => s.tenant);
  return [...Map.groupBy(l0, (s) => s.tenant)]
    .filter(([tenant, segments]) => sum(made.get(tenant) ?? []) < sum(segments))
    .map(([tenant]) => tenant);
}

function batchesOf(segments: readonly SegmentMeta[], limits: MergeLimits): SegmentMeta[][] {
  const batches: SegmentMeta[][] = [];
  let batch: SegmentMeta[] = [];
  for (const segment of segments) {
    const full =
      batch.length >= limits.maxInputs || sum(batch) + segment.rowCount > limits.maxSpans;
    if (batch.length > 0 && full) {
      batches.push(batch);
      batch = [];
    }
    batch.push(segment);
  }
  return batch.length > 0 ? [...batches, batch] : batches;
}
