import { type Files, joinPath } from "../drivers/files/files.ts";
import { countRequests } from "../drivers/objects/metrics.ts";
import type { ObjectStore } from "../drivers/objects/object-store.ts";
import { openObjectStore } from "../drivers/objects/open-object-store.ts";
import { isPintailError, PintailError } from "../errors.ts";
import { systemClock } from "../runtime/clock.ts";
import type { SegmentSummary, StoredObject } from "../schema/segment-meta.ts";
import { BucketHealth } from "../storage/bucket/bucket-health.ts";
import { BucketOwner } from "../storage/bucket/bucket-owner.ts";
import { catalogId } from "../storage/bucket/catalog-id.ts";
import { segmentKey } from "../storage/bucket/object-keys.ts";
import { RemovedObjects } from "../storage/bucket/removed-objects.ts";
import { StoredRedactions } from "../storage/bucket/stored-redactions.ts";
import type { BucketSettings } from "../storage/settings.ts";
import { walExtent } from "../storage/wal/wal-extent.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";
import { orAborted } from "../util/or-aborted.ts";
import { observeTempoRequests } from "./bucket-metrics.ts";

export type BucketParts = {
  readonly files: Files;
  readonly log: Logger;
  readonly metrics: MetricRegistry;
};

export type BucketFolders = {
  readonly dataDir: string;
  readonly segmentDir: string;
  readonly walDir: string;
};

/** The owner itself asks and renews no more than once a minute. */
const RENEW_TICK_MS = 10_000;
/** A start does not wait longer for a bucket that it can do without. */
const START_CHECK_MS = 5000;

/** The bucket, and whose it is. */
export class Bucket {
  readonly store: ObjectStore;
  readonly settings: BucketSettings;
  readonly health: BucketHealth;
  readonly owner: BucketOwner;
  readonly redactions: StoredRedactions;
  readonly removed: RemovedObjects;
  /** Aborted when the process stops. */
  readonly signal: AbortSignal;
  readonly #parts: BucketParts;
  readonly #folders: BucketFolders;
  readonly #closing: AbortController;
  #renewal: ReturnType<typeof setInterval> | undefined;

  /** Sends nothing yet. Rejects with `invalid` for settings that cannot work. */
  static async open(
    parts: BucketParts,
    settings: BucketSettings,
    folders: BucketFolders,
  ): Promise<Bucket> {
    const count = countRequests(parts.metrics, settings.store.backend);
    const observe = observeTempoRequests(parts.metrics);
    const store = await openObjectStore(
      {
        clock: systemClock,
        random: Math.random,
        newId: () => crypto.randomUUID(),
        onRequest: (request) => {
          count(request);
          observe(request);
        },
      },
      settings.store,
    );
    const id = await catalogId(parts.files, folders.dataDir);
    const removed = await RemovedObjects.open({
      files: parts.files,
      path: joinPath(folders.dataDir, "removed-objects.json"),
      log: parts.log,
      nowMs: systemClock.nowUnixMs,
    });
    return new Bucket(parts, settings, folders, store, id, removed);
  }

  private constructor(
    parts: BucketParts,
    settings: BucketSettings,
    folders: BucketFolders,
    store: ObjectStore,
    id: string,
    removed: RemovedObjects,
  ) {
    this.removed = removed;
    this.#parts = parts;
    this.#folders = folders;
    this.#closing = new AbortController();
    this.store = store;
    this.settings = settings;
    this.signal = this.#closing.signal;
    this.health = new BucketHealth({
      location: store.location,
      log: parts.log,
      monotonicMs: systemClock.monotonicMs,
      random: Math.random,
    });
    this.owner = new BucketOwner({
      store,
      health: this.health,
      catalogId: id,
      log: parts.log,
      nowMs: systemClock.nowUnixMs,
      monotonicMs: systemClock.monotonicMs,
      signal: this.signal,
    });
    this.redactions = new StoredRedactions({
      store,
      health: this.health,
      isOwner: () => this.owner.check(),
      signal: this.signal,
    });
  }

  /**
   * At a start with a catalog: throws when the bucket is another's. One that cannot be reached is
   * asked again before anything is written into it.
   */
  async checkOwner(): Promise<void> {
    const unreachable = (error?: unknown) => {
      this.#parts.log.warn("the bucket cannot be reached: segments wait on the local disk", {
        bucket: this.store.location,
        error,
      });
    };
    this.#keepOwning();
    let owned: boolean | undefined;
    try {
      owned = await orAborted(this.owner.check(), AbortSignal.timeout(START_CHECK_MS));
    } catch (error) {
      return unreachable(error);
    }
    if (owned === undefined) unreachable();
    if (owned === false) throw await this.#foreign();
  }

  /**
   * Before a catalog is rebuilt: the bucket becomes ours, from another catalog only when this node
   * has nothing of its own and the other one has been silent, or is to lose it `evenIfAlive`. Rejects
   * with `unavailable` when the bucket cannot be reached: without it nobody knows what there is.
   */
  async takeForRebuild(options: { readonly evenIfAlive?: boolean } = {}): Promise<void> {
    const { log } = this.#parts;
    const record = await this.owner.read();
    const id = await catalogId(this.#parts.files, this.#folders.dataDir);
    if (record === undefined || record.catalog === id) {
      await this.owner.check();
      this.#keepOwning();
      return;
    }
    if (!(await this.#isEmptyNode())) throw await this.#foreign();
    await this.owner.take(options);
    this.#keepOwning();
    log.warn("the bucket belonged to another catalog: this empty node takes it over", {
      bucket: this.store.location,
      before: record.catalog,
      sinceUnixMs: record.sinceUnixMs,
    });
  }

  /** The object of a segment, if the bucket has it whole. */
  async findObject(segment: SegmentSummary): Promise<StoredObject | undefined> {
    const limit = AbortSignal.any([this.signal, AbortSignal.timeout(START_CHECK_MS)]);
    const look = () => this.store.head(segmentKey(segment), { signal: limit });
    try {
      const info = await this.health.watch(look);
      return info?.sizeBytes === segment.byteSize ? { version: info.version } : undefined;
    } catch (cause) {
      if (!isPintailError(cause, "canceled") || this.signal.aborted) throw cause;
      throw new PintailError("unavailable", "the bucket did not answer in time", { cause });
    }
  }

  /** In one word, for the status page. */
  get state(): string {
    if (this.owner.owned === false) return "Foreign";
    return this.health.reachable === false ? "Away" : "Running";
  }

  async close(): Promise<void> {
    clearInterval(this.#renewal);
    this.#closing.abort();
    await this.store.close();
  }

  /** Also while nothing is uploaded: others see by it that this node is alive. */
  #keepOwning(): void {
    const renew = () => {
      // A failure is the health's to say; the next round tries again.
      if (!this.health.paused) void this.owner.check().catch(() => {});
    };
    this.#renewal ??= setInterval(renew, RENEW_TICK_MS);
  }

  async #isEmptyNode(): Promise<boolean> {
    const { files } = this.#parts;
    const { segmentDir, walDir } = this.#folders;
    const extent = await walExtent(files, walDir);
    if (extent !== undefined && extent.to > extent.from) return false;
    for (const folder of await files.list(segmentDir)) {
      if (folder.startsWith("@")) continue;
      const dir = joinPath(segmentDir, folder);
      if ((await files.stat(dir))?.isDirectory !== true) continue;
      if ((await files.list(dir)).some((name) => name.endsWith(".parquet"))) return false;
    }
    return true;
  }

  async #foreign(): Promise<PintailError> {
    const record = await this.owner.read().catch(() => undefined);
    return new PintailError(
      "invalid",
      `${this.store.location} belongs to another Pintail (catalog ${record?.catalog ?? "unknown"}); ` +
        "give each Pintail a bucket or a prefix of its own, or, when the other one is gone for " +
        `good, start with an empty data folder instead of ${this.#folders.dataDir}: it takes the ` +
        "bucket over with all that is in it, some minutes after the other one's end",
    );
  }
}
