import type { Files, ReadFile } from "../../drivers/files/files.ts";
import type { ObjectInfo, ObjectStore } from "../../drivers/objects/object-store.ts";
import { isPintailError } from "../../errors.ts";
import { reached } from "../../runtime/failpoints.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { orAborted } from "../../util/or-aborted.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { segmentPath } from "../segments/segment-writer.ts";
import type { Backlog } from "./backlog.ts";
import type { BucketHealth } from "./bucket-health.ts";
import type { BucketMetrics } from "./metrics.ts";
import { segmentKey } from "./object-keys.ts";
import type { ObjectRemover } from "./object-remover.ts";
import { checkLocalFile, isSameFile } from "./same-file.ts";

export type UploaderParts = {
  readonly files: Files;
  readonly segmentDir: string;
  readonly catalog: Catalog;
  readonly store: ObjectStore;
  readonly backlog: Backlog;
  readonly health: BucketHealth;
  /** Whether the bucket is ours. */
  readonly isOwner: () => Promise<boolean>;
  readonly remover: Pick<ObjectRemover, "mayExist" | "removeLate">;
  /** The bucket has it: the local file is a copy from now on. */
  readonly onStored: (segment: SegmentSummary) => void;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  readonly metrics: Pick<BucketMetrics, "uploaded" | "uploadFailed">;
};

export type UploaderSettings = {
  /** Segments with at least this many spans go at once: they are not merged any more. */
  readonly largeSpans: number;
  /** Smaller ones wait this long for a merge. */
  readonly uploadAfterMs: number;
  /** When more than this waits, nothing waits for a merge any more: pushes must not be refused for it. */
  readonly hurryBytes: number;
};

/** Few, so that queries get most of the link, of the store's requests and of the disk. */
const PARALLEL = 2;
/** One segment that fails for reasons of its own is tried again after this, doubling. */
const FIRST_RETRY_MS = 5000;
const MAX_RETRY_MS = 10 * 60_000;
/** Made this far in the future: the clock was set back, and its age says nothing. */
const CLOCK_SET_BACK_MS = 60 * 60_000;

/** The local file is missing or not what was written; trying again will hardly help. */
class BadFileError extends Error {}

type Hold = { readonly retryMs: number; readonly untilMs: number; readonly isBad: boolean };

/**
 * Brings segments of level 1 and above into the bucket and tells the catalog. Oldest first: so the
 * wait of the one that waits longest stays bounded, and young small ones get their time to be merged.
 * `tick` is called by the owner's timer.
 */
export class Uploader {
  readonly #parts: UploaderParts;
  readonly #settings: UploaderSettings;
  readonly #running = new Map<string, Promise<void>>();
  readonly #held = new Map<string, Hold>();
  readonly #stop = new AbortController();

  constructor(parts: UploaderParts, settings: UploaderSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Segments whose local file is missing or damaged before the bucket had it. */
  get badCount(): number {
    return [...this.#held.values()].filter(({ isBad }) => isBad).length;
  }

  isBad(id: string): boolean {
    return this.#held.get(id)?.isBad === true;
  }

  /** Starts the uploads that are due and for which there is room. Never rejects. */
  tick(): void {
    const { health } = this.#parts;
    if (this.#stop.signal.aborted || health.paused) return;
    // While the bucket is away one upload asks whether it is back.
    const room = (health.reachable === false ? 1 : PARALLEL) - this.#running.size;
    if (room <= 0) return;
    for (const segment of this.#due().slice(0, room)) {
      const upload = this.#attempt(segment).finally(() => this.#running.delete(segment.id));
      this.#running.set(segment.id, upload);
    }
  }

  /** Resolves when the uploads under way have ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** Gives up the uploads under way: the segments are on the local disk. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.idle();
  }

  #due(): SegmentSummary[] {
    const { backlog, nowMs, monotonicMs } = this.#parts;
    const { largeSpans, uploadAfterMs, hurryBytes } = this.#settings;
    const [wall, monotonic] = [nowMs(), monotonicMs()];
    const waiting = backlog.segments();
    this.#forgetHolds(waiting);
    const isHurry = waiting.reduce((total, { byteSize }) => total + byteSize, 0) > hurryBytes;
    return waiting
      .filter(({ id, rowCount, createdUnixMs }) => {
        if (this.#running.has(id) || (this.#held.get(id)?.untilMs ?? 0) > monotonic) return false;
        if (isHurry) return true;
        const ageMs = wall - createdUnixMs;
        return rowCount >= largeSpans || ageMs >= uploadAfterMs || ageMs < -CLOCK_SET_BACK_MS;
      })
      .sort((a, b) => a.createdUnixMs - b.createdUnixMs || (a.id < b.id ? -1 : 1));
  }

  #forgetHolds(waiting: readonly SegmentSummary[]): void {
    if (this.#held.size === 0) return;
    const ids = new Set(waiting.map(({ id }) => id));
    for (const id of this.#held.keys()) if (!ids.has(id)) this.#held.delete(id);
  }

  async #attempt(segment: SegmentSummary): Promise<void> {
    const { log, metrics, catalog } = this.#parts;
    try {
      if ((await orAborted(this.#parts.isOwner(), this.#stop.signal)) !== true) return;
      await this.#upload(segment);
      this.#held.delete(segment.id);
    } catch (error) {
      if (isPintailError(error, "canceled") && this.#stop.signal.aborted) return;
      // Merged or expired meanwhile, and its file deleted.
      if (catalog.segment(segment.id) === undefined) return;
      metrics.uploadFailed();
      const { health } = this.#parts;
      // Said once, when the bucket went away; then it is nothing about this segment.
      if (isPintailError(error, "unavailable") && health.reachable === false) return;
      this.#hold(segment, error);
      log.error("segment not uploaded", {
        segment: segment.id,
        tenant: segment.tenant,
        retryMs: this.#held.get(segment.id)?.retryMs,
        error,
      });
    }
  }

  #hold(segment: SegmentSummary, error: unknown): void {
    const before = this.#held.get(segment.id);
    const retryMs = Math.min(MAX_RETRY_MS, before ? 2 * before.retryMs : FIRST_RETRY_MS);
    const isBad = error instanceof BadFileError;
    const untilMs = this.#parts.monotonicMs() + retryMs;
    this.#held.set(segment.id, { retryMs, untilMs, isBad });
  }

  async #upload(segment: SegmentSummary): Promise<void> {
    const { catalog, remover, metrics } = this.#parts;
    const file = await this.#openFile(segment);
    let stored: ObjectInfo;
    try {
      remover.mayExist(segment.id);
      reached("upload:opened");
      stored = await this.#put(segment, file);
      reached("upload:put");
    } finally {
      await file.close();
    }
    if (catalog.segment(segment.id) !== undefined) {
      const object = { version: stored.version };
      await catalog.commit({ stored: [{ id: segment.id, object }] });
      reached("upload:committed");
    }
    const known = catalog.segment(segment.id);
    if (known?.object !== undefined) {
      metrics.uploaded(segment.byteSize);
      this.#parts.onStored(known);
      return;
    }
    // It left the catalog meanwhile; retention may have deleted the object before it was there.
    await remover.removeLate(segment);
  }

  async #openFile(segment: SegmentSummary): Promise<ReadFile> {
    const { files, segmentDir } = this.#parts;
    try {
      const file = await files.openRead(segmentPath(segmentDir, segment));
      try {
        await checkLocalFile(file, segment);
        return file;
      } catch (e) {
        await file.close();
        throw e;
      }
    } catch (cause) {
      if (!isPintailError(cause, "corrupt") && !isPintailError(cause, "not_found")) throw cause;
      throw new BadFileError(cause.message, { cause });
    }
  }

  async #put(segment: SegmentSummary, file: ReadFile): Promise<ObjectInfo> {
    const { store, log } = this.#parts;
    const key = segmentKey(segment);
    const { outcome, info } = await this.#send(key, file, true);
    if (outcome === "stored") return info;
    // Of an upload whose answer or whose commit was lost; names are never used twice.
    const { signal } = this.#stop;
    const read = (start: number, end: number) =>
      this.#parts.health.watch(() =>
        store.getRanges(key, [{ start, end }], { version: info.version, mustExist: true, signal }),
      );
    if (await isSameFile(file, info.sizeBytes, read)) return info;
    log.error("the bucket has something else under a segment's name: written over", {
      object: `${store.location}${key}`,
      sizeBytes: info.sizeBytes,
      expectedBytes: segment.byteSize,
    });
    return (await this.#send(key, file, false)).info;
  }

  /** Tells errors of the local file from those of the bucket. */
  async #send(key: string, file: ReadFile, ifAbsent: boolean) {
    const { store, health } = this.#parts;
    const { signal } = this.#stop;
    const local: { error?: unknown } = {};
    const body = {
      sizeBytes: file.sizeBytes,
      async read(target: Uint8Array, position: number): Promise<number> {
        try {
          const count = await file.read(target, position);
          const expected = Math.min(target.length, file.sizeBytes - position);
          if (count === expected) return count;
          throw new BadFileError(`the file of ${key} became shorter`);
        } catch (e) {
          local.error = e;
          throw e;
        }
      },
    };
    try {
      const result = await store.put(key, body, { ifAbsent, signal });
      health.worked();
      return result;
    } catch (e) {
      if (local.error !== undefined) throw local.error;
      health.failed(e);
      throw e;
    }
  }
}
