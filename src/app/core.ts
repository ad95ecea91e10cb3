import type { TenantLimits } from "../config/settings.ts";
import type { Files } from "../drivers/files/files.ts";
import { PintailError } from "../errors.ts";
import { Cutter } from "../ingest/cutter.ts";
import { IngestChannel } from "../ingest/ingest-channel.ts";
import type { IngestMetrics } from "../ingest/ingest-metrics.ts";
import { IngestService } from "../ingest/ingest-service.ts";
import { QueryCut } from "../ingest/query-cut.ts";
import { replay } from "../ingest/replay.ts";
import type { IngestSettings } from "../ingest/settings.ts";
import type { GeneratorClient } from "../metrics-generator/generator-client.ts";
import type { Clock } from "../runtime/clock.ts";
import { spawnWorker } from "../runtime/worker.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { Catalog } from "../storage/catalog/catalog.ts";
import {
  type CompactionMetrics,
  Compactor,
  type HiddenCheck,
} from "../storage/compaction/compactor.ts";
import type { FromCompactionWorker, ToCompactionWorker } from "../storage/compaction/messages.ts";
import { UsedKeys } from "../storage/compaction/used-keys.ts";
import type { MatchTraces } from "../storage/retention/class-traces.ts";
import { excessDiskBytes } from "../storage/retention/disk-excess.ts";
import type { TenantPolicy } from "../storage/retention/policy.ts";
import { Retention, type RetentionMetrics } from "../storage/retention/retention.ts";
import type { SegmentFiles } from "../storage/segment-cache/segment-files.ts";
import { SegmentWriter } from "../storage/segments/segment-writer.ts";
import type { RetentionSettings } from "../storage/settings.ts";
import { Wal } from "../storage/wal/wal.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";
import { ulidSource } from "../util/ulid.ts";
import type { Bucket } from "./bucket.ts";
import { BucketWork, type LocalCopies } from "./bucket-work.ts";
import { type GeneratorParts, IngestThread } from "./ingest-thread.ts";
import { JobChannel } from "./job-channel.ts";
import { mergeInputs } from "./merge-inputs.ts";

export type CoreParts = {
  readonly files: Files;
  readonly catalog: Catalog;
  readonly limitsFor: (tenant: string) => TenantLimits;
  readonly log: Logger;
  readonly clock: Clock;
  readonly ingestMetrics: IngestMetrics;
  readonly compactionMetrics: CompactionMetrics;
  readonly retentionMetrics: RetentionMetrics;
  /** Where segments rest besides the local disk, their copies there, and a way to read them. */
  readonly bucket:
    | {
        readonly bucket: Bucket;
        readonly copies: LocalCopies;
        readonly files: SegmentFiles;
      }
    | undefined;
  readonly metrics: MetricRegistry;
  /** What is made of metrics of spans; undefined: there are none. */
  readonly generator?: GeneratorParts | undefined;
  /** The process cannot go on: the ingest worker is gone. */
  readonly onFatal: (error: unknown) => void;
};

export type CoreSettings = {
  readonly ingest: IngestSettings;
  readonly retention: RetentionSettings;
  readonly tempDir: string;
};

/** Bodies accepted and not yet answered. */
const MAX_PENDING_BYTES = 96 * 1024 * 1024;
/** Spans decoded and not yet in a segment, as OTLP protobuf: what a slow or full disk may pile up. */
const MAX_HELD_BYTES = 512 * 1024 * 1024;
/** About 40,000 spans, written in some 100 ms. */
const CUT_AFTER_BYTES = 16 * 1024 * 1024;
/** Queries that follow each other cut at most this often. */
const MIN_CUT_INTERVAL_MS = 100;
/** This many L0 segments are turned into L1 early. */
const MAX_L0_SEGMENTS = 120;
const COMPACTION_TICK_MS = 1000;
const FIRST_RETENTION_MS = 2000;
/** A merge takes segments of one hour, and stops where a segment is large enough to stay. */
const MERGE_WINDOW_NANOS = 3_600_000_000_000n;
const MERGE_MIN_INPUTS = 6;
const MERGE_MAX_INPUTS = 32;
/** A job still running when Pintail stops is given up after this: its inputs are still there. */
const BACKGROUND_STOP_MS = 3000;

/** Everything between a receiver's `push` and a committed segment. */
export class Core {
  readonly wal: Wal;
  readonly cutter: Cutter;
  readonly queryCut: QueryCut;
  readonly ingest: IngestService;
  readonly compactor: Compactor;
  readonly retention: Retention;
  readonly #bucketWork: BucketWork | undefined;
  readonly #generator: GeneratorClient | undefined;
  readonly #stopWorkers: () => Promise<void>;
  /** Told the segments of each cut once queries find them. Set it when all is connected. */
  onCommitted: (segments: readonly SegmentSummary[]) => void = () => {};
  /** Told what compaction found out about redacted traces. Set it when all is connected. */
  onChecked: (check: HiddenCheck) => void = () => {};
  /** Finds the traces of retention classes. Set it when all is connected; till then none of them goes. */
  matchTraces: MatchTraces = () =>
    Promise.reject(new PintailError("unavailable", "queries do not run yet"));
  /** What holds for a tenant; its own retention wins over the one for all. */
  readonly retentionPolicyOf: (tenant: string) => TenantPolicy;
  /** The attributes that queries name. */
  readonly usedKeys: UsedKeys;
  readonly #timers: ReturnType<typeof setInterval>[] = [];

  /** Recovers the WAL and replays what is in no segment; resolves when all of it is. */
  static async open(parts: CoreParts, settings: CoreSettings): Promise<Core> {
    const { catalog, files, log, clock } = parts;
    const { cutTo, releasedTo } = catalog.walPositions();
    const { walDir, segmentDir } = settings.ingest;
    const wal = await Wal.open({
      files,
      dir: walDir,
      recoverFrom: releasedTo,
      startAtLeast: cutTo,
      nowMs: clock.monotonicMs,
    });
    const core = new Core(parts, settings, wal);
    const startedMs = clock.monotonicMs();
    const maxAttributeBytesOf = (tenant: string) =>
      parts.limitsFor(tenant).ingest.maxAttributeBytes;
    try {
      const replayed = await replay(
        { wal, channel: core.#channel, cutter: core.cutter, maxAttributeBytesOf, log },
        cutTo,
        // What was let in last may exceed the bound.
        { maxHeldBytes: 2 * MAX_HELD_BYTES },
      );
      log.info("write-ahead log replayed", {
        ...replayed,
        durationMs: Math.round(clock.monotonicMs() - startedMs),
        walDir,
        segmentDir,
      });
    } catch (e) {
      await core.#stopWorkers();
      await wal.close();
      throw e;
    }
    core.#startTimers(settings);
    return core;
  }

  readonly #channel: IngestChannel;

  private constructor(parts: CoreParts, settings: CoreSettings, wal: Wal) {
    const { catalog, limitsFor, log, files } = parts;
    const { nowUnixMs: nowMs, monotonicMs } = parts.clock;
    const { segmentDir, walDir } = settings.ingest;
    const ingestThread = new IngestThread({
      segmentDir,
      generator: parts.generator,
      onExit: parts.onFatal,
    });
    this.#generator = ingestThread.generator;
    const compaction = {
      name: "compaction",
      data: {
        walDir,
        segmentDir,
        tempDir: settings.tempDir,
        // Ranges are a little larger than what makes them due; twice as much would cost its memory.
        maxSegmentSpans: Math.ceil(1.25 * settings.ingest.l1Spans),
      },
    };
    const jobs = new JobChannel(() =>
      spawnWorker<FromCompactionWorker, ToCompactionWorker>(
        new URL("../threads/compaction-thread.ts", import.meta.url),
        compaction,
      ),
    );
    this.#stopWorkers = async () => {
      await ingestThread.terminate();
      await jobs.close();
    };
    const segments = new SegmentWriter({ files, segmentDir, newId: ulidSource(nowMs), nowMs });
    this.#bucketWork = parts.bucket && bucketWork(parts, parts.bucket, settings, segments);
    this.wal = wal;
    this.usedKeys = new UsedKeys(monotonicMs);
    this.retentionPolicyOf = (tenant) => {
      const { retentionMs, compactionDisabled } = limitsFor(tenant);
      return {
        retentionMs: retentionMs > 0 ? retentionMs : settings.retention.retentionMs,
        classes: settings.retention.classes,
        frozen: compactionDisabled,
      };
    };
    this.#channel = new IngestChannel(ingestThread.port);
    this.cutter = new Cutter(
      {
        cut: (walRange) => this.#channel.cut(walRange),
        catalog,
        freeBytes: () => files.freeBytes(segmentDir),
        onCommitted: (segments) => this.onCommitted(segments),
        log,
        monotonicMs,
        after,
      },
      {
        cutAfterMs: settings.ingest.cutAfterMs,
        cutAfterBytes: CUT_AFTER_BYTES,
        minCutIntervalMs: MIN_CUT_INTERVAL_MS,
      },
    );
    this.queryCut = new QueryCut({ cutter: this.cutter, log, monotonicMs });
    this.ingest = new IngestService(
      {
        wal,
        channel: this.#channel,
        cutter: this.cutter,
        limitsFor: (tenant) => limitsFor(tenant).ingest,
        metrics: parts.ingestMetrics,
        metricsOf: (tenant) => this.#generator?.settingsId(tenant) ?? 0,
        refusal: () => this.#bucketWork?.refusal(),
        nowMs,
        monotonicMs,
      },
      {
        retryAfterMs: settings.ingest.retryAfterMs,
        maxPendingBytes: MAX_PENDING_BYTES,
        maxHeldBytes: MAX_HELD_BYTES,
      },
    );
    this.compactor = new Compactor(
      {
        catalog,
        run: (job) => jobs.run(job),
        pinInputs: (inputs, signal) => mergeInputs(segmentDir, parts.bucket?.files, inputs, signal),
        onDamaged: async (segment) => (await parts.bucket?.files.distrust(segment)) === true,
        voids: (range) => wal.voided(range),
        releaseWal: (before) => wal.release(before),
        removeFiles: (made) => segments.remove(made),
        maxAttributeBytesOf: (tenant) => limitsFor(tenant).ingest.maxAttributeBytes,
        compactionDisabled: (tenant) => limitsFor(tenant).compactionDisabled,
        usedKeys: () => this.usedKeys.columns(),
        onChecked: (check) => this.onChecked(check),
        log,
        nowMs,
        monotonicMs,
        metrics: parts.compactionMetrics,
      },
      {
        l1Spans: settings.ingest.l1Spans,
        l1WalBytes: settings.ingest.l1WalBytes,
        l1AfterMs: settings.ingest.l1AfterMs,
        l1Segments: MAX_L0_SEGMENTS,
        merge: {
          maxSpans: settings.ingest.l1Spans,
          minInputs: MERGE_MIN_INPUTS,
          maxInputs: MERGE_MAX_INPUTS,
          windowNanos: MERGE_WINDOW_NANOS,
        },
        mergeDisabled: settings.retention.disabled,
      },
    );
    this.retention = new Retention(
      {
        catalog,
        segments: this.#bucketWork?.removal ?? segments,
        changes: this.compactor,
        policyOf: (tenant) => this.retentionPolicyOf(tenant),
        matchTraces: (...args) => this.matchTraces(...args),
        excessDiskBytes: () =>
          excessDiskBytes(
            { files, catalog, segmentDir },
            parts.bucket === undefined ? settings.retention.maxDiskPercent : 0,
          ),
        log,
        nowMs,
        metrics: parts.retentionMetrics,
      },
      settings.retention,
    );
  }

  /** Answers what is under way, cuts the head and closes the WAL. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.ingest.close();
    // What cannot be cut now is replayed at the next start.
    await this.cutter.close().catch(() => {});
    await Promise.race([
      Promise.all([
        ...[this.compactor.close(), this.retention.close(), this.#bucketWork?.close()],
        this.#generator?.flush(),
      ]),
      new Promise<void>((resolve) => after(BACKGROUND_STOP_MS, resolve)),
    ]);
    await this.#stopWorkers();
    await this.wal.close();
  }

  #startTimers(settings: CoreSettings): void {
    this.#bucketWork?.start();
    this.#timers.push(setInterval(() => this.compactor.tick(), COMPACTION_TICK_MS));
    const retain = () => void this.retention.run();
    // Also soon: a process that is restarted more often than that would never expire anything.
    this.#timers.push(setTimeout(retain, FIRST_RETENTION_MS));
    this.#timers.push(setInterval(retain, settings.retention.intervalMs));
  }
}

function bucketWork(
  { files, catalog, log, clock, metrics }: CoreParts,
  { bucket, copies }: NonNullable<CoreParts["bucket"]>,
  { ingest }: CoreSettings,
  segments: SegmentWriter,
): BucketWork {
  return new BucketWork({
    bucket,
    files,
    segmentDir: ingest.segmentDir,
    catalog,
    copies,
    removed: bucket.removed,
    removeFile: (segment) => segments.remove([segment]),
    largeSpans: Math.ceil(ingest.l1Spans / 2),
    log,
    clock,
    metrics,
  });
}

function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}
