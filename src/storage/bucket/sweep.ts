import type { ObjectStore } from "../../drivers/objects/object-store.ts";
import { PintailError } from "../../errors.ts";
import { reached } from "../../runtime/failpoints.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { orAborted } from "../../util/or-aborted.ts";
import { sleep } from "../../util/sleep.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { BucketHealth } from "./bucket-health.ts";
import { type FoundObject, listSegments } from "./list-segments.ts";
import type { BucketMetrics, SweepResult } from "./metrics.ts";
import { segmentKey } from "./object-keys.ts";
import type { ObjectRemover } from "./object-remover.ts";

export type SweepParts = {
  readonly catalog: Catalog;
  readonly store: ObjectStore;
  readonly health: BucketHealth;
  readonly isOwner: () => Promise<boolean>;
  readonly remover: Pick<ObjectRemover, "wasRemoved" | "removeObject">;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly metrics: Pick<BucketMetrics, "swept" | "sweepFailed">;
};

export type SweepSettings = {
  /** Wait between two pages of at most 1000 objects. */
  readonly pageIntervalMs: number;
  /** Younger objects that nobody knows may be on their way into the catalog. */
  readonly unknownAfterMs: number;
};

export const DEFAULT_SWEEP: SweepSettings = {
  pageIntervalMs: 1000,
  unknownAfterMs: 24 * 3_600_000,
};

/** When sweeps run, for the owner's timers. */
export const SWEEP_FIRST_AFTER_MS = 3_600_000;
export const SWEEP_INTERVAL_MS = 24 * 3_600_000;

/** Named in the log; the rest is counted. */
const MAX_NAMED = 20;

type Counts = { -readonly [K in keyof SweepResult]: number };

/**
 * Compares the bucket's list with the catalog, slowly. Deletes what is surely redundant: objects
 * that were deleted before and that came back (a late upload), and those that a segment
 * stands for which the bucket has. Everything else that does not fit is reported and left alone.
 */
export class Sweep {
  readonly #parts: SweepParts;
  readonly #settings: SweepSettings;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: SweepParts, settings: SweepSettings = DEFAULT_SWEEP) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Never rejects; calls that overlap share one run. */
  run(): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    this.#running ??= this.#run()
      .catch((error) => {
        if (this.#stop.signal.aborted) return;
        this.#parts.metrics.sweepFailed();
        this.#parts.log.warn("sweep of the bucket failed", { error });
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { store, health, log, metrics } = this.#parts;
    const { signal } = this.#stop;
    await this.#mustOwn();
    const counts: Counts = {
      objects: 0,
      bytes: 0,
      deleted: 0,
      unknown: 0,
      missing: 0,
      different: 0,
    };
    const report = new Report(log, store.location);
    // Those that are stored before the list begins must all be in it.
    const unseen = new Set(this.#stored().map(({ id }) => id));
    const pages = listSegments(store, signal);
    for (;;) {
      const page = await health.watch(() => pages.next());
      if (page.done === true) break;
      const replaced = this.#replaced();
      for (const object of page.value) {
        counts.objects++;
        counts.bytes += object.sizeBytes;
        if (object.segment !== undefined) unseen.delete(object.segment.id);
        await this.#look(object, replaced, counts, report);
      }
      await sleep(this.#settings.pageIntervalMs, signal);
      if (signal.aborted) return;
    }
    counts.missing = await this.#countMissing(unseen, report);
    metrics.swept(counts);
    log.info("bucket swept", counts);
  }

  async #look(
    object: FoundObject,
    replaced: ReadonlySet<string>,
    counts: Counts,
    report: Report,
  ): Promise<void> {
    const { catalog, remover, nowMs } = this.#parts;
    const { key, segment, sizeBytes, version, modifiedUnixMs } = object;
    const known = segment && catalog.segment(segment.id);
    if (known !== undefined && known.tenant === segment?.tenant) {
      const { object: stored, byteSize } = known;
      if (stored === undefined || (sizeBytes === byteSize && version === stored.version)) return;
      counts.different++;
      report.name("the object of a segment is not the one that was stored", key, {
        sizeBytes,
        expectedBytes: byteSize,
      });
      return;
    }
    // Retention deletes these when their time has come; a query may still read them.
    if (segment !== undefined && this.#isWaiting(segment.id)) return;
    if (segment !== undefined && (remover.wasRemoved(segment.id) || replaced.has(segment.id))) {
      await this.#mustOwn();
      reached("sweep:found");
      await remover.removeObject(segment);
      counts.deleted++;
      return;
    }
    if (nowMs() - modifiedUnixMs < this.#settings.unknownAfterMs) return;
    counts.unknown++;
    report.name("object in the bucket that the catalog does not know", key, { sizeBytes });
  }

  async #countMissing(unseen: ReadonlySet<string>, report: Report): Promise<number> {
    const { catalog, store, health } = this.#parts;
    let missing = 0;
    for (const id of unseen) {
      const segment = catalog.segment(id);
      if (segment?.object === undefined) continue;
      const key = segmentKey(segment);
      // A list may lag behind; beyond those that are named it is taken at its word.
      const look = () => store.head(key, { signal: this.#stop.signal });
      if (missing < MAX_NAMED && (await health.watch(look)) !== undefined) continue;
      missing++;
      report.name("the object of a segment is missing", key, { segment: id });
    }
    return missing;
  }

  async #mustOwn(): Promise<void> {
    if ((await orAborted(this.#parts.isOwner(), this.#stop.signal)) === true) return;
    throw new PintailError("unavailable", "the bucket belongs to another catalog");
  }

  /** Whether it left the catalog and its files are not deleted yet: as of now, not of a while ago. */
  #isWaiting(id: string): boolean {
    return this.#parts.catalog.deletable(Number.NEGATIVE_INFINITY).some((one) => one.id === id);
  }

  /** What live segments that the bucket has stand for. */
  #replaced(): ReadonlySet<string> {
    return new Set(this.#stored().flatMap(({ replaces }) => replaces));
  }

  #stored(): SegmentSummary[] {
    const { catalog } = this.#parts;
    const all = catalog.tenants().flatMap((tenant) => catalog.segments(tenant));
    return all.filter(({ object }) => object !== undefined);
  }
}

/** Names the first of each kind. */
class Report {
  readonly #log: Logger;
  readonly #location: string;
  readonly #counts = new Map<string, number>();

  constructor(log: Logger, location: string) {
    this.#log = log;
    this.#location = location;
  }

  name(what: string, key: string, fields: Readonly<Record<string, unknown>>): void {
    const count = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, count);
    if (count > MAX_NAMED) return;
    this.#log.error(what, { object: `${this.#location}${key}`, ...fields });
  }
}
