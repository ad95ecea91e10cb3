import { PintailError } from "../../errors.ts";
import { reached } from "../../runtime/failpoints.ts";
import type { Lsn, SegmentMeta, SegmentSummary, WalRange } from "../../schema/segment-meta.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { DamagedSegmentError } from "../segments/read/read-error.ts";
import { chooseMerge, type MergeLimits } from "./choose-merge.ts";
import { DutyCycle } from "./duty-cycle.ts";
import { HiddenChecks } from "./hidden-checks.ts";
import type { FromCompactionWorker, ToCompactionWorker } from "./messages.ts";
import { packTraceIds } from "./trace-set.ts";

type JobOf<T extends ToCompactionWorker["type"]> = Omit<
  Extract<ToCompactionWorker, { type: T }>,
  "id"
>;

export type CompactorParts = {
  readonly catalog: Catalog;
  /** Runs a job in the compaction thread; rejects when the thread is gone. */
  readonly run: (job: JobOf<"l1"> | JobOf<"merge">) => Promise<FromCompactionWorker>;
  /** Complete local files of segments, which stay until they are disposed of. */
  readonly pinInputs: (
    segments: readonly SegmentSummary[],
    signal: AbortSignal,
  ) => Promise<Disposable & { pathOf(id: string): string }>;
  readonly voids: (range: WalRange) => readonly WalRange[];
  /** The WAL may drop what lies before. */
  readonly releaseWal: (before: Lsn) => Promise<void>;
  /** Deletes the files of segments that no commit knows. */
  readonly removeFiles: (segments: readonly SegmentSummary[]) => Promise<void>;
  readonly maxAttributeBytesOf: (tenant: string) => number;
  readonly compactionDisabled: (tenant: string) => boolean;
  /** Told of a segment whose local file is damaged; whether it may be better the next time. */
  readonly onDamaged: (segment: SegmentSummary) => Promise<boolean>;
  /** Columns that queries asked for lately. */
  readonly usedKeys: () => readonly string[];
  /** Told what was found out about redacted traces; must not throw. */
  readonly onChecked: (check: HiddenCheck) => void;
  readonly log: Logger;
  /** Wall time, for the age of segments. */
  readonly nowMs: () => number;
  /** For the time between tries: the wall clock may be set back. */
  readonly monotonicMs: () => number;
  readonly metrics: CompactionMetrics;
};

export interface CompactionMetrics {
  compacted(job: CompactedJob): void;
  failed(): void;
  /** A segment is left out of merges from now on. */
  setAside(): void;
}

export type CompactedJob = {
  /** Of what was made. */
  readonly level: number;
  readonly inputs: number;
  readonly spans: number;
  /** Of an L1: of the write-ahead log. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly cpuSeconds: number;
};

/** The segments, which are in the catalog, hold none of the traces (any more). */
export type HiddenCheck = {
  readonly tenant: string;
  readonly segmentIds: readonly string[];
  readonly traceIds: ReadonlySet<string>;
  /** Spans of these traces that the job left out. */
  readonly removedSpans: number;
};

/** Takes spans out of a segment: those of some traces, into a segment of a retention class. */
export type Extraction = {
  readonly retentionClass: string;
  /** 32 hex digits each, at most `MAX_KEPT_TRACES`. */
  readonly traceIds: ReadonlySet<string>;
};
export const MAX_KEPT_TRACES = 100_000;

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
/** Merges and rewrites take at most this share of one core on average; L1 cannot wait. */
const MERGE_SHARE = 0.25;
const MAX_PAUSE_MS = 5 * 60_000;
/** After so many failures in a row L1 is made from the L0 segments instead of the WAL. */
const MAX_L1_FAILURES = 3;

/** What a job made and what it stands for, to be committed. */
type Finished = {
  /** Undefined: retention's, which says itself what it did. */
  readonly level: number | undefined;
  readonly inputs: readonly SegmentSummary[];
  readonly metas: readonly SegmentMeta[];
  /** Of an L1: the WAL up to here is no longer needed. */
  readonly releasedTo: Lsn | undefined;
  readonly bytesRead: number;
  readonly cpuMs: number;
  /** Traces that were left out, and how many spans of each tenant that were. */
  readonly hidden: ReadonlySet<string>;
  readonly removedSpans: ReadonlyMap<string, number>;
};

/** What one job made. */
type Made = {
  readonly metas: readonly SegmentMeta[];
  readonly cpuMs: number;
  readonly hidden: ReadonlySet<string>;
  readonly leftOut: number;
  readonly unchanged: boolean;
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
  readonly #duty = new DutyCycle(MERGE_SHARE, MAX_PAUSE_MS);
  /** Segments whose rewriting failed, and when it may be tried again. */
  readonly #rewriteNotBeforeMs = new Map<string, number>();
  /** Segments that turned out to be damaged. They stay where they are, but are not merged again. */
  readonly #setAside = new Set<string>();
  /** Those of which a copy was damaged, once: the bucket may have better. */
  readonly #suspect = new Set<string>();
  readonly #abort = new AbortController();
  #closed = false;
  /** Which segments may still hold spans of redacted traces. */
  readonly hiddenChecks: HiddenChecks;

  constructor(parts: CompactorParts, settings: CompactorSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.hiddenChecks = new HiddenChecks(parts.catalog);
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
    this.#abort.abort();
    await this.#running;
  }

  /**
   * Runs `work`, which changes what segments exist, while no job does: what it sees in the catalog
   * stays until its commit. Rejects with `unavailable` while that is not certain.
   */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running !== undefined) await this.#running;
    if (this.#closed || this.#uncommitted !== undefined) {
      throw new PintailError("unavailable", "segments cannot be changed now");
    }
    const done = work();
    this.#running = done
      .then(
        () => {},
        () => {},
      )
      .finally(() => {
        this.#running = undefined;
      });
    return done;
  }

  /**
   * Copies the traces' spans into segments of a class, which the caller has to commit, inside
   * `exclusive`; none when the segment holds none of them.
   */
  async extract(segment: SegmentSummary, extraction: Extraction): Promise<readonly SegmentMeta[]> {
    const { retentionClass, traceIds } = extraction;
    const keepTraces = packTraceIds(traceIds);
    const made = await this.#merged(segment.tenant, [segment], { retentionClass, keepTraces });
    const { metas, cpuMs } = made;
    this.#measure({ level: metas[0]?.level ?? 2, inputs: [segment], metas, cpuMs });
    return metas;
  }

  /**
   * Takes segments out of the catalog and puts what is kept of them in, in one commit. Inside
   * `exclusive`. A commit that fails is repeated by `tick`, since it may be on the disk or not.
   */
  async retire(segments: readonly SegmentSummary[], kept: readonly SegmentMeta[]): Promise<void> {
    await this.#commit({
      level: undefined,
      inputs: segments,
      metas: kept,
      releasedTo: undefined,
      bytesRead: 0,
      cpuMs: 0,
      hidden: NO_TRACES,
      removedSpans: new Map(),
    });
  }

  #dueJob(): Promise<void> | undefined {
    if (this.#uncommitted !== undefined) return this.#commit(this.#uncommitted);
    if (this.#l1Due()) return this.#buildL1();
    if (this.#duty.isPaused(this.#parts.monotonicMs())) return undefined;
    return this.#dueRewrite() ?? this.#dueMerge();
  }

  /** Builds L1 from everything cut so far; resolves when it is committed and the WAL released. */
  async #buildL1(): Promise<void> {
    const { catalog, log } = this.#parts;
    const { cutTo, releasedTo } = catalog.walPositions();
    if (cutTo <= releasedTo) return;
    const walRange = { from: releasedTo, to: cutTo };
    const inputs = this.#l0().filter((s) => s.walRange !== undefined && s.walRange.to <= cutTo);
    const bytesRead = cutTo - releasedTo;
    // The WAL would bring back what was redacted; L0 tells what that is.
    const isHiding = inputs.some((s) => s.hiddenTraces !== undefined);
    if (!isHiding && this.#l1Failures < MAX_L1_FAILURES) {
      const made = await this.#l1FromWal(walRange, inputs);
      const lacking = lackingTenants(inputs, made.metas);
      if (lacking.length === 0) {
        reached("l1:written");
        await this.#commit({
          level: 1,
          inputs,
          ...made,
          releasedTo: cutTo,
          bytesRead,
          removedSpans: new Map(),
        });
        return;
      }
      await this.discard(made.metas);
      log.error("the write-ahead log lacks spans that were acknowledged; merging L0 instead", {
        from: releasedTo,
        to: cutTo,
        tenants: lacking.length,
        tenant: lacking[0],
      });
    }
    const removedSpans = new Map<string, number>();
    const made = await this.#mergeAll(inputs, removedSpans);
    await this.#commit({
      level: 1,
      inputs,
      ...made,
      releasedTo: cutTo,
      bytesRead: bytesOf(inputs),
      removedSpans,
    });
  }

  async #l1FromWal(walRange: WalRange, l0: readonly SegmentSummary[]): Promise<Made> {
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
        usedKeys: this.#parts.usedKeys(),
      });
      return { ...this.#resultOf(reply), hidden: NO_TRACES };
    } catch (e) {
      this.#l1Failures++;
      throw e;
    }
  }

  /**
   * The other way to L1, for a WAL that no longer yields what was acknowledged: L0 has all of it.
   * Without it one bad sector would keep the WAL and all head cuts for ever.
   */
  async #mergeAll(
    l0: readonly SegmentSummary[],
    removedSpans: Map<string, number>,
  ): Promise<Omit<Made, "leftOut" | "unchanged">> {
    const metas: SegmentMeta[] = [];
    let cpuMs = 0;
    const hidden = new Set<string>();
    try {
      for (const [tenant, segments] of Map.groupBy(l0, (s) => s.tenant)) {
        for (const batch of batchesOf(segments, this.#settings.merge)) {
          const made = await this.#merged(tenant, batch);
          metas.push(...made.metas);
          cpuMs += made.cpuMs;
          removedSpans.set(tenant, (removedSpans.get(tenant) ?? 0) + made.leftOut);
          for (const id of made.hidden) hidden.add(id);
        }
      }
    } catch (e) {
      // L0 may be what is damaged: the WAL gets its turn again.
      this.#l1Failures = 0;
      await this.discard(metas);
      throw e;
    }
    return { metas, cpuMs, hidden };
  }

  #l1Due(): boolean {
    const l0 = this.#l0();
    const { cutTo, releasedTo } = this.#parts.catalog.walPositions();
    // L0 that a rebuilt catalog took in again are merged when others come.
    if (cutTo <= releasedTo) return false;
    // Only refused records: nothing to build, but the WAL can go.
    if (l0.length === 0) return cutTo - releasedTo > (this.#isHiding() ? 0 : EMPTY_RANGE_BYTES);
    if (cutTo - releasedTo > this.#settings.l1WalBytes) return true;
    const oldestMs = Math.min(...l0.map((s) => s.createdUnixMs));
    return (
      l0.length >= this.#settings.l1Segments ||
      sum(l0) >= this.#settings.l1Spans ||
      this.#parts.nowMs() - oldestMs >= this.#settings.l1AfterMs
    );
  }

  /** What was redacted has to leave the log, whatever is behind it. */
  #isHiding(): boolean {
    return this.#parts.catalog.redactions().some(({ state }) => state === "hiding");
  }

  #l0(): SegmentSummary[] {
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
      const whole = catalog.segments(tenant).filter(({ id }) => !this.#setAside.has(id));
      const chosen = chooseMerge(whole, this.#settings.merge);
      if (chosen !== undefined) return this.#merge(tenant, chosen);
    }
    return undefined;
  }

  /** Redacted spans leave the disk, also of tenants whose segments are not merged. */
  #dueRewrite(): Promise<void> | undefined {
    const { catalog, monotonicMs } = this.#parts;
    const now = monotonicMs();
    const { releasedTo } = catalog.walPositions();
    for (const tenant of catalog.tenants()) {
      for (const segment of catalog.segments(tenant)) {
        if (!this.hiddenChecks.mayHold(segment)) continue;
        // L1 takes it soon. Not one that a rebuilt catalog took in again: nothing else may ever come.
        if (segment.level === 0 && (segment.walRange?.to ?? 0) > releasedTo) continue;
        if (now < (this.#rewriteNotBeforeMs.get(segment.id) ?? Number.NEGATIVE_INFINITY)) continue;
        return this.#rewrite(segment);
      }
    }
    return undefined;
  }

  async #rewrite(segment: SegmentSummary): Promise<void> {
    const { id, tenant } = segment;
    let made: Made;
    try {
      made = await this.#merged(tenant, [segment], {
        retentionClass: segment.retentionClass,
        onlyIfLess: true,
      });
      this.#rewriteNotBeforeMs.delete(id);
    } catch (e) {
      for (const [known, at] of this.#rewriteNotBeforeMs) {
        if (at < this.#parts.monotonicMs()) this.#rewriteNotBeforeMs.delete(known);
      }
      this.#rewriteNotBeforeMs.set(id, this.#parts.monotonicMs() + MERGE_RETRY_MS);
      throw e;
    }
    if (made.unchanged) {
      this.#checked(tenant, [segment], made.hidden, 0);
      return;
    }
    reached("rewrite:written");
    await this.#commit({
      level: made.metas[0]?.level ?? 2,
      inputs: [segment],
      ...made,
      releasedTo: undefined,
      bytesRead: segment.byteSize,
      removedSpans: new Map([[tenant, made.leftOut]]),
    });
    reached("rewrite:committed");
  }

  async #merge(tenant: string, inputs: readonly SegmentSummary[]): Promise<void> {
    let made: Made;
    try {
      made = await this.#merged(tenant, inputs, { retentionClass: inputs[0]?.retentionClass });
      this.#mergeNotBeforeMs.delete(tenant);
    } catch (e) {
      // Without the damaged one the others need not wait.
      if (!(await this.#leaveOut(inputs, e))) {
        this.#mergeNotBeforeMs.set(tenant, this.#parts.monotonicMs() + MERGE_RETRY_MS);
      }
      throw e;
    }
    reached("merge:written");
    await this.#commit({
      level: made.metas[0]?.level ?? 2,
      inputs,
      ...made,
      releasedTo: undefined,
      bytesRead: bytesOf(inputs),
      removedSpans: new Map([[tenant, made.leftOut]]),
    });
    reached("merge:committed");
  }

  /** Whether the error is of an input that is not merged again, at least until the next start. */
  async #leaveOut(inputs: readonly SegmentSummary[], error: unknown): Promise<boolean> {
    if (!(error instanceof DamagedSegmentError)) return false;
    const segment = inputs.find(({ id }) => id === error.segmentId);
    if (segment === undefined) return false;
    const { catalog, log, metrics, onDamaged } = this.#parts;
    const { id, tenant } = segment;
    for (const known of [this.#setAside, this.#suspect]) {
      for (const gone of known) if (!catalog.segment(gone)) known.delete(gone);
    }
    if ((await onDamaged(segment)) && !this.#suspect.has(id)) {
      this.#suspect.add(id);
      return false;
    }
    this.#setAside.add(id);
    metrics.setAside();
    log.error("segment is damaged: left out of merges", { segment: id, tenant, error });
    return true;
  }

  /** The spans of `segments` but those left out, in as few segments as they fit in. */
  async #merged(
    tenant: string,
    segments: readonly SegmentSummary[],
    options: Pick<JobOf<"merge">, "retentionClass" | "keepTraces" | "onlyIfLess"> = {},
  ): Promise<Made> {
    const { run, pinInputs, monotonicMs, usedKeys } = this.#parts;
    const hidden = new Set(segments.flatMap((s) => s.hiddenTraces ?? []));
    const pinned = await pinInputs(segments, this.#abort.signal);
    const startedMs = monotonicMs();
    let made: Made;
    try {
      const reply = await run({
        type: "merge",
        tenant,
        inputs: segments.map(({ id, level, rowCount, optionalColumns }) => ({
          meta: { id, level, rowCount, optionalColumns },
          path: pinned.pathOf(id),
        })),
        usedKeys: usedKeys(),
        hiddenTraces: hidden.size > 0 ? packTraceIds(hidden) : undefined,
        ...options,
      });
      made = { ...this.#resultOf(reply), hidden };
    } finally {
      pinned[Symbol.dispose]();
      this.#duty.worked(monotonicMs() - startedMs, monotonicMs());
    }
    if (made.unchanged && options.onlyIfLess && made.metas.length === 0) return made;
    if (sum(made.metas) + made.leftOut === sum(segments)) return made;
    await this.discard(made.metas);
    throw new PintailError(
      "corrupt",
      `a merge of ${sum(segments)} spans gave ${sum(made.metas)} and left ${made.leftOut} out (tenant ${tenant})`,
    );
  }

  async #commit(finished: Finished): Promise<void> {
    const { catalog, releaseWal } = this.#parts;
    const { inputs, metas, releasedTo } = finished;
    const isThere = ({ id }: SegmentSummary) => catalog.segment(id) !== undefined;
    // Retention may have dropped an input meanwhile: then the result would bring it back. Unless it
    // is this very commit that took the inputs out, and only its answer failed.
    const outdated = releasedTo === undefined && !inputs.every(isThere) && !metas.some(isThere);
    this.#uncommitted = undefined;
    if (outdated) return this.discard(metas);
    this.#uncommitted = finished;
    await catalog.commit({
      add: metas,
      remove: inputs.map((s) => s.id),
      ...(releasedTo === undefined ? {} : { releasedTo }),
    });
    this.#uncommitted = undefined;
    const { level } = finished;
    if (level !== undefined) this.#measure({ ...finished, level });
    for (const tenant of new Set(inputs.map((s) => s.tenant))) {
      const made = metas.filter((s) => s.tenant === tenant);
      this.#checked(tenant, made, finished.hidden, finished.removedSpans.get(tenant) ?? 0);
    }
    if (releasedTo === undefined) return;
    this.#l1Failures = 0;
    reached("l1:committed");
    await releaseWal(releasedTo);
    reached("l1:released");
  }

  #checked(
    tenant: string,
    segments: readonly SegmentSummary[],
    traceIds: ReadonlySet<string>,
    removedSpans: number,
  ): void {
    if (traceIds.size === 0) return;
    for (const { id } of segments) this.hiddenChecks.holdsNone(id, traceIds);
    const segmentIds = segments.map(({ id }) => id);
    this.#parts.onChecked({ tenant, segmentIds, traceIds, removedSpans });
  }

  /** Deletes files that no commit knows. What stays in spite of this is cleaned up at the next start. */
  async discard(metas: readonly SegmentSummary[]): Promise<void> {
    await this.#parts.removeFiles(metas).catch((error) => {
      this.#parts.log.warn("files of a failed compaction not deleted", { error });
    });
  }

  #resultOf(reply: FromCompactionWorker): Omit<Made, "hidden"> {
    if (reply.type === "failed") {
      const { kind, message, damagedId } = reply;
      if (damagedId !== undefined) throw new DamagedSegmentError(kind, damagedId, message);
      throw new PintailError(kind, message);
    }
    const { metas, leftOut, unchanged, cpuMs } = reply;
    return { metas, leftOut, unchanged, cpuMs };
  }

  #measure(
    job: Pick<Finished, "inputs" | "metas" | "cpuMs"> & {
      readonly level: number;
      readonly bytesRead?: number;
    },
  ): void {
    const { level, inputs, metas, cpuMs } = job;
    const bytes = bytesOf(metas);
    this.#parts.metrics.compacted({
      level,
      inputs: inputs.length,
      spans: sum(metas),
      bytesRead: job.bytesRead ?? bytesOf(inputs),
      bytesWritten: bytes,
      cpuSeconds: cpuMs / 1000,
    });
    this.#parts.log.info("segments compacted", {
      level,
      inputs: inputs.length,
      outputs: metas.length,
      spanCount: sum(metas),
      bytes,
    });
  }
}

const NO_TRACES: ReadonlySet<string> = new Set();

/** Refused records alone keep at most this much of the WAL, and none while traces are hidden. */
const EMPTY_RANGE_BYTES = 16 * 1024 * 1024;

function sum(segments: readonly SegmentSummary[]): number {
  return segments.reduce((total, s) => total + s.rowCount, 0);
}

function bytesOf(segments: readonly SegmentSummary[]): number {
  return segments.reduce((total, s) => total + s.byteSize, 0);
}

/** Tenants of whom `l1` has fewer spans than `l0`. */
function lackingTenants(l0: readonly SegmentSummary[], l1: readonly SegmentSummary[]): string[] {
  const made = Map.groupBy(l1, (s) => s.tenant);
  return [...Map.groupBy(l0, (s) => s.tenant)]
    .filter(([tenant, segments]) => sum(made.get(tenant) ?? []) < sum(segments))
    .map(([tenant]) => tenant);
}

function batchesOf(segments: readonly SegmentSummary[], limits: MergeLimits): SegmentSummary[][] {
  const batches: SegmentSummary[][] = [];
  let batch: SegmentSummary[] = [];
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
