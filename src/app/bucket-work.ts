import type { Files } from "../drivers/files/files.ts";
import type { PintailError } from "../errors.ts";
import type { Clock } from "../runtime/clock.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import { Backlog } from "../storage/bucket/backlog.ts";
import { ObjectRemover, type SegmentName } from "../storage/bucket/object-remover.ts";
import type { RemovedObjects } from "../storage/bucket/removed-objects.ts";
import { SpillGate } from "../storage/bucket/spill-gate.ts";
import { SWEEP_FIRST_AFTER_MS, SWEEP_INTERVAL_MS, Sweep } from "../storage/bucket/sweep.ts";
import { Uploader } from "../storage/bucket/uploader.ts";
import type { Catalog } from "../storage/catalog/catalog.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";
import type { Bucket } from "./bucket.ts";
import { bucketMetrics, registerBucketState } from "./bucket-metrics.ts";

export type BucketWorkParts = {
  readonly bucket: Bucket;
  readonly files: Files;
  readonly segmentDir: string;
  readonly catalog: Catalog;
  readonly copies: LocalCopies;
  readonly removed: RemovedObjects;
  readonly removeFile: (segment: SegmentName) => Promise<void>;
  /** Segments with this many spans are not merged any more. */
  readonly largeSpans: number;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: MetricRegistry;
};

/** Local copies of what the bucket has: the segment cache. */
export interface LocalCopies {
  /** The segment's local file is a copy from now on. */
  adopt(segment: SegmentSummary): void;
  /** Deletes all copies. */
  forget(id: string): Promise<void> | void;
}

const TICK_MS = 1000;
const SAVE_REMOVED_MS = 30_000;

/** What is done with the bucket in the background: uploads, deletion, sweeps, the bound on the rest. */
export class BucketWork {
  /** Deletes segments everywhere: the local file, its copies, the object. */
  readonly removal: {
    remove(segments: readonly SegmentName[]): Promise<void>;
    isHeld(segment: SegmentName): boolean;
    /** To be called before the catalog forgets what was removed. */
    keepRemoved(): Promise<void>;
  };
  readonly #parts: BucketWorkParts;
  readonly #remover: ObjectRemover;
  readonly #uploader: Uploader;
  readonly #gate: SpillGate;
  readonly #sweep: Sweep;
  readonly #timers: ReturnType<typeof setInterval>[] = [];

  constructor(parts: BucketWorkParts) {
    this.#parts = parts;
    const { bucket, catalog, log, files, segmentDir, copies } = parts;
    const { store, health, owner } = bucket;
    const { nowUnixMs: nowMs, monotonicMs } = parts.clock;
    const metrics = bucketMetrics(parts.metrics);
    const isOwner = () => owner.check();
    const backlog = new Backlog(catalog);
    this.#remover = new ObjectRemover({
      catalog,
      store,
      health,
      isOwner,
      removeFile: parts.removeFile,
      forgetCopies: async (id) => copies.forget(id),
      removed: parts.removed,
      metrics,
      signal: bucket.signal,
    });
    this.removal = {
      remove: async (segments) => {
        for (const segment of segments) await this.#remover.remove(segment);
      },
      isHeld: (segment) => this.#remover.isHeld(segment),
      keepRemoved: () => parts.removed.save(),
    };
    this.#uploader = new Uploader(
      {
        files,
        segmentDir,
        catalog,
        store,
        backlog,
        health,
        isOwner,
        remover: this.#remover,
        onStored: (segment) => copies.adopt(segment),
        log,
        nowMs,
        monotonicMs,
        metrics,
      },
      {
        largeSpans: parts.largeSpans,
        uploadAfterMs: bucket.settings.uploadAfterMs,
        hurryBytes: bucket.settings.maxSpillBytes / 2,
      },
    );
    const waiting = () => backlog.waiting((id) => this.#uploader.isBad(id));
    this.#gate = new SpillGate({
      maxSpillBytes: bucket.settings.maxSpillBytes,
      waitingBytes: () => waiting().bytes,
      log,
      onRefused: metrics.pushRefused,
    });
    this.#sweep = new Sweep({
      catalog,
      store,
      health,
      isOwner,
      remover: this.#remover,
      log,
      nowMs,
      metrics,
    });
    registerBucketState(parts.metrics, () => {
      const { segments, bytes, oldestUnixMs } = waiting();
      return {
        reachable: health.reachable,
        owned: owner.owned,
        waitingSegments: segments,
        waitingBytes: bytes,
        oldestWaitingSeconds:
          oldestUnixMs === undefined ? 0 : Math.max(0, (nowMs() - oldestUnixMs) / 1000),
        badSegments: this.#uploader.badCount,
        refusing: this.#gate.closed,
      };
    });
  }

  start(): void {
    this.#gate.update();
    this.#timers.push(
      setInterval(() => {
        this.#gate.update();
        this.#uploader.tick();
        void this.#remover.retryLate();
      }, TICK_MS),
      setInterval(() => void this.#saveRemoved(), SAVE_REMOVED_MS),
      setTimeout(() => void this.#sweep.run(), SWEEP_FIRST_AFTER_MS),
      setInterval(() => void this.#sweep.run(), SWEEP_INTERVAL_MS),
    );
  }

  /** Why pushes cannot be taken now. */
  refusal(): PintailError | undefined {
    return this.#gate.refusal();
  }

  /** Gives up what is under way; everything of it is on the local disk. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all([this.#uploader.close(), this.#sweep.close()]);
    await this.#saveRemoved();
  }

  /** Those of late uploads and of the sweep. */
  async #saveRemoved(): Promise<void> {
    const { removed, log } = this.#parts;
    try {
      await removed.save();
    } catch (error) {
      log.warn("list of deleted objects not saved, will try again", { error });
    }
  }
}
