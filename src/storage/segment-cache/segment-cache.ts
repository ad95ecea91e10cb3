import { errorCode } from "../../drivers/files/file-error.ts";
import { type Files, joinPath, type ReadFile } from "../../drivers/files/files.ts";
import type { ObjectStore } from "../../drivers/objects/object-store.ts";
import { isPintailError } from "../../errors.ts";
import { crc32 } from "../../runtime/crc32.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { MAGIC } from "../segments/parquet/footer.ts";
import { DamagedSegmentError } from "../segments/read/read-error.ts";
import { segmentPath } from "../segments/segment-writer.ts";
import { Fetcher } from "./fetcher.ts";
import { headerBytes, type SegmentHeader, tailFile } from "./header.ts";
import { type LocalFile, LocalFiles } from "./local-files.ts";
import {
  type ChunkName,
  chunkKey,
  type ProjectionPlan,
  planProjection,
  type Rectangle,
} from "./projection.ts";
import { RemoteFile } from "./remote-file.ts";
import type { PinnedFiles, SegmentFiles, SegmentNeed } from "./segment-files.ts";
import { Turns } from "./turns.ts";
import { UncheckedCopy } from "./unchecked-copy.ts";

export type SegmentCacheParts = {
  readonly files: Files;
  readonly store: Pick<ObjectStore, "getRanges">;
  readonly log: Logger;
  readonly metrics: SegmentCacheMetrics;
};

export interface SegmentCacheMetrics {
  /** A need was met from the local disk, or not. */
  asked(hit: boolean): void;
  fetched(requests: number, bytes: number): void;
  /** What was fetched was not what was stored, and is fetched once more. */
  refetched(): void;
  evicted(bytes: number): void;
  /** An object, or a local copy of it, was not what was stored. */
  broken(): void;
}

export type SegmentCacheSettings = {
  /** Whole copies are where segments are written. */
  readonly segmentDir: string;
  /** Of projection files; emptied at the start. */
  readonly cacheDir: string;
  readonly cacheBytes: number;
  /** When a segment is fetched whole. */
  readonly whole?: WholeLimits;
};

export type WholeLimits = {
  /** When it has at most this many bytes, … */
  readonly maxBytes: number;
  /** … or when more than this share of it is needed: not worth more requests. */
  readonly share: number;
};

const DEFAULT_WHOLE: WholeLimits = { maxBytes: 1024 * 1024, share: 1 / 3 };

/** Of one segment; the one made first goes when there are more. */
const MAX_PROJECTIONS = 8;
/** Segments that are fetched at a time: each holds its bytes in memory meanwhile. */
const MAX_FETCHES = 6;
/** Errors that free space helps against. */
const FULL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
const MAX_HEADER_BYTES = 64 * 1024 * 1024;

/** Parts of a segment in a file of its own. */
export type Projection = Rectangle & {
  readonly file: LocalFile;
  /** Where each chunk begins in the file, by `chunkKey`. */
  readonly places: ReadonlyMap<string, number>;
  /** Of each chunk, by `chunkKey`. */
  readonly checksums: ReadonlyMap<string, number>;
};

type Entry = {
  /** One fetch of a segment at a time: what the next one needs may be there then. */
  readonly turns: Turns;
  /** Likewise for its end. */
  readonly headerTurns: Turns;
  whole: LocalFile | undefined;
  /** What is not known of the whole copy; undefined when this process wrote or checked it. */
  unchecked: UncheckedCopy | undefined;
  projections: readonly Projection[];
};

/** What is pinned for a need. */
export type Copy =
  | { readonly kind: "whole"; readonly file: LocalFile }
  | { readonly kind: "projection"; readonly file: LocalFile; readonly projection: Projection };

/** Local copies of segments that rest in a bucket. See the README for what is where. */
export class SegmentCache implements SegmentFiles {
  readonly #parts: SegmentCacheParts;
  readonly #settings: SegmentCacheSettings;
  readonly #local: LocalFiles;
  readonly #entries = new Map<string, Entry>();
  /** Least recently used first. */
  readonly #headers = new Map<string, SegmentHeader>();
  #headerBytes = 0;
  readonly #fetches = new Turns(MAX_FETCHES);
  readonly #fetcher: Fetcher;
  readonly #broken = new Set<string>();
  #fileCount = 0;

  /** `stored`: the catalog's segments that the bucket has; local files of them are copies. */
  static async open(
    parts: SegmentCacheParts,
    settings: SegmentCacheSettings,
    stored: readonly SegmentSummary[],
  ): Promise<SegmentCache> {
    const { files } = parts;
    await files.mkdir(settings.cacheDir);
    for (const name of await files.list(settings.cacheDir)) {
      await files.unlink(joinPath(settings.cacheDir, name));
    }
    const cache = new SegmentCache(parts, settings);
    const byTenant = Map.groupBy(stored, ({ tenant }) => tenant);
    const there: SegmentSummary[] = [];
    for (const [tenant, segments] of byTenant) {
      const names = new Set(await files.list(joinPath(settings.segmentDir, tenant)));
      there.push(...segments.filter(({ id }) => names.has(`${id}.parquet`)));
    }
    // Nobody knows which were used last; new ones are asked for more often than old ones.
    there.sort((a, b) => (a.maxTraceStart < b.maxTraceStart ? -1 : 1));
    for (const segment of there) cache.#adopt(segment, new UncheckedCopy(segment));
    return cache;
  }

  private constructor(parts: SegmentCacheParts, settings: SegmentCacheSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#fetcher = new Fetcher(parts);
    this.#local = new LocalFiles(parts.files, settings.cacheBytes, (bytes) =>
      parts.metrics.evicted(bytes),
    );
  }

  /** Bytes on the local disk. */
  get bytes(): number {
    return this.#local.bytes;
  }

  /** The segment's local file, just uploaded, is a copy from now on. */
  adopt(segment: SegmentSummary): void {
    this.#adopt(segment, undefined);
  }

  #adopt(segment: SegmentSummary, unchecked: UncheckedCopy | undefined): void {
    const entry = this.#entry(segment.id);
    if (entry.whole !== undefined) return;
    this.#addWhole(entry, segment);
    entry.unchecked = unchecked;
    this.#local.makeRoom().catch((error) => this.#parts.log.warn("copy not deleted", { error }));
  }

  /** Its copies are deleted, once nobody reads them. */
  async forget(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    this.#broken.delete(id);
    await this.#dropCopies(id, entry);
  }

  async distrust({ id, object }: SegmentSummary): Promise<boolean> {
    if (object === undefined) return false;
    this.#parts.metrics.broken();
    await this.#dropCopies(id, this.#entries.get(id));
    return true;
  }

  async #dropCopies(id: string, entry: Entry | undefined): Promise<void> {
    this.#dropHeader(id);
    if (entry === undefined) return;
    if (entry.whole !== undefined) await this.#local.drop(entry.whole);
    for (const { file } of entry.projections) await this.#local.drop(file);
  }

  async pin(needs: readonly SegmentNeed[], signal: AbortSignal): Promise<PinnedFiles> {
    const copies = new Map<string, Copy>();
    const release = (): void => {
      for (const copy of copies.values()) this.release(copy);
      copies.clear();
    };
    // What is still fetched for a query that failed already is fetched in vain.
    const failed = new AbortController();
    const both = AbortSignal.any([signal, failed.signal]);
    let failure: unknown;
    await Promise.all(
      needs.map(async (need) => {
        try {
          copies.set(need.meta.id, await this.acquire(need, both));
        } catch (error) {
          failure ??= error;
          failed.abort();
        }
      }),
    );
    if (failure !== undefined) {
      release();
      throw failure;
    }
    return {
      pathOf: (id) => {
        const copy = copies.get(id);
        if (copy === undefined) throw new Error(`segment ${id} was not asked for`);
        return copy.file.path;
      },
      [Symbol.dispose]: release,
    };
  }

  async openRead(meta: SegmentSummary, signal: AbortSignal): Promise<ReadFile> {
    const copy = await this.#openWhole(meta);
    return copy ?? new RemoteFile(meta, this, this.#parts.files, signal);
  }

  async openLocal(meta: SegmentSummary): Promise<ReadFile | undefined> {
    const copy = await this.#openWhole(meta);
    const header = this.#knownHeader(meta);
    return copy ?? (header && tailFile(meta, header));
  }

  async #openWhole(meta: SegmentSummary): Promise<ReadFile | undefined> {
    const whole = this.#entries.get(meta.id)?.whole;
    if (whole === undefined) return undefined;
    this.#local.pin(whole);
    const file = await this.#openCopy(whole);
    return (
      file && {
        sizeBytes: file.sizeBytes,
        read: (target, position) => file.read(target, position),
        close: async () => {
          try {
            await file.close();
          } finally {
            await this.#local.unpin(whole);
          }
        },
      }
    );
  }

  /** Of a copy that is pinned; it is let go, and undefined given, when it is not what it should be. */
  async #openCopy(copy: LocalFile): Promise<ReadFile | undefined> {
    let file: ReadFile | undefined;
    try {
      file = await this.#parts.files.openRead(copy.path);
    } catch (error) {
      if (!isPintailError(error, "not_found")) {
        await this.#local.unpin(copy);
        throw error;
      }
    }
    if (file?.sizeBytes === copy.bytes) return file;
    this.#parts.metrics.broken();
    await this.#local.drop(copy);
    await this.#local.unpin(copy);
    await file?.close();
    return undefined;
  }

  /** A pinned copy that has what is needed. Errors are those of `pin`. */
  async acquire(need: SegmentNeed, signal: AbortSignal): Promise<Copy> {
    const { meta } = need;
    const entry = this.#entry(meta.id);
    const known = await this.#find(entry, need, signal);
    this.#parts.metrics.asked(known !== undefined);
    if (known !== undefined) return known;
    return entry.turns.run(signal, async () => {
      const meanwhile = await this.#find(entry, need, signal);
      if (meanwhile !== undefined) return meanwhile;
      return this.#fetches.run(signal, () =>
        this.#named(meta, () => this.#bring(entry, need, signal)),
      );
    });
  }

  release({ file }: Copy): void {
    this.#local.unpin(file).catch((error) => this.#parts.log.warn("copy not deleted", { error }));
  }

  /** Errors are those of `pin`. */
  header(meta: SegmentSummary, signal: AbortSignal): Promise<SegmentHeader> {
    return this.#named(meta, () => this.#header(meta, signal));
  }

  async #header(meta: SegmentSummary, signal: AbortSignal): Promise<SegmentHeader> {
    return (
      this.#knownHeader(meta) ??
      (await this.#entry(meta.id).headerTurns.run(signal, async () => {
        const meanwhile = this.#knownHeader(meta);
        if (meanwhile !== undefined) return meanwhile;
        return this.#keepHeader(meta, await this.#fetcher.header(meta, signal));
      }))
    );
  }

  #knownHeader(meta: SegmentSummary): SegmentHeader | undefined {
    const known = this.#headers.get(meta.id);
    if (known === undefined) return undefined;
    this.#headers.delete(meta.id);
    this.#headers.set(meta.id, known);
    return known;
  }

  /** The header with the segment's bytes from `from` on, which lies behind its row groups. */
  longerHeader(meta: SegmentSummary, from: number, signal: AbortSignal): Promise<SegmentHeader> {
    return this.#named(meta, async () => {
      const header = await this.#header(meta, signal);
      if (header.tailFrom <= from) return header;
      const longer = await this.#fetcher.longerHeader(meta, header, from, signal);
      return this.#keepHeader(meta, longer);
    });
  }

  #keepHeader(meta: SegmentSummary, header: SegmentHeader): SegmentHeader {
    this.#dropHeader(meta.id);
    this.#headers.set(meta.id, header);
    this.#headerBytes += headerBytes(header);
    for (const oldest of this.#headers.keys()) {
      if (this.#headerBytes <= MAX_HEADER_BYTES || oldest === meta.id) break;
      this.#dropHeader(oldest);
    }
    return header;
  }

  /** A copy that is there, pinned; one whose file somebody deleted is no more. */
  async #find(entry: Entry, need: SegmentNeed, signal: AbortSignal): Promise<Copy | undefined> {
    const copy = this.#covering(entry, need);
    if (copy === undefined) return undefined;
    this.#local.pin(copy.file);
    try {
      const stat = await this.#parts.files.stat(copy.file.path);
      if (
        stat?.sizeBytes === copy.file.bytes &&
        (await this.#isIntact(entry, copy, need, signal))
      ) {
        return copy;
      }
    } catch (error) {
      await this.#local.unpin(copy.file);
      throw error;
    }
    this.#parts.metrics.broken();
    await this.#local.drop(copy.file);
    await this.#local.unpin(copy.file);
    return undefined;
  }

  /** Of what was on the disk before this start the part that is needed is looked at, once. */
  async #isIntact(
    { unchecked }: Entry,
    { kind, file }: Copy,
    need: SegmentNeed,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (kind === "projection" || unchecked === undefined) return true;
    return unchecked.turns.run(signal, async () => {
      try {
        const open = await this.#parts.files.openRead(file.path);
        try {
          await unchecked.check(open, {
            known: this.#knownHeader(need.meta),
            keep: (header) => this.#keepHeader(need.meta, header),
            // Of the other row groups a statement may read as much before it finds them too old.
            wanted: (header) => rectangleOf(header, { ...need, rowGroups: "all" }),
            signal,
          });
          return true;
        } finally {
          await open.close();
        }
      } catch (error) {
        if (isPintailError(error, "corrupt") || isPintailError(error, "not_found")) return false;
        throw error;
      }
    });
  }

  #covering(entry: Entry, need: SegmentNeed): Copy | undefined {
    if (entry.whole !== undefined) return { kind: "whole", file: entry.whole };
    const header = this.#headers.get(need.meta.id);
    if (header === undefined) return undefined;
    const wanted = rectangleOf(header, need);
    const projection = entry.projections.find((one) => covers(one, wanted));
    return projection && { kind: "projection", file: projection.file, projection };
  }

  async #bring(entry: Entry, need: SegmentNeed, signal: AbortSignal): Promise<Copy> {
    const { meta } = need;
    const all = need.columns === "all" && need.rowGroups === "all";
    const { maxBytes, share } = this.#settings.whole ?? DEFAULT_WHOLE;
    if (all || meta.byteSize <= maxBytes) return this.#bringWhole(entry, meta, signal);
    const header = await this.#header(meta, signal);
    const wanted = rectangleOf(header, need);
    const known = await this.#find(entry, need, signal);
    if (known !== undefined) return known;
    const plan = planProjection(header, wanted);
    if (plan.sizeBytes > meta.byteSize * share && meta.byteSize <= this.#settings.cacheBytes) {
      try {
        return await this.#bringWhole(entry, meta, signal);
      } catch (error) {
        // There may be room for less of it.
        if (!isPintailError(error, "limited")) throw error;
      }
    }
    return this.#bringProjection(entry, meta, header, wanted, plan, signal);
  }

  async #bringWhole(entry: Entry, meta: SegmentSummary, signal: AbortSignal): Promise<Copy> {
    using room = await this.#local.reserve(meta.byteSize);
    await this.#parts.files.mkdir(joinPath(this.#settings.segmentDir, meta.tenant));
    const path = segmentPath(this.#settings.segmentDir, meta);
    await this.#writing(() => this.#fetcher.whole(meta, path, signal));
    entry.unchecked = undefined;
    const file = entry.whole ?? this.#addWhole(entry, meta);
    this.#local.pin(file);
    room[Symbol.dispose]();
    for (const { file: part } of entry.projections) await this.#local.drop(part);
    if (this.#entries.get(meta.id) !== entry) await this.#local.drop(file);
    return { kind: "whole", file };
  }

  async #bringProjection(
    entry: Entry,
    meta: SegmentSummary,
    header: SegmentHeader,
    wanted: Rectangle,
    { chunks, places, end, sizeBytes }: ProjectionPlan,
    signal: AbortSignal,
  ): Promise<Copy> {
    using room = await this.#local.reserve(sizeBytes);
    const have = await this.#copied(entry, chunks);
    const missing = chunks.filter((chunk) => !have.has(keyOf(chunk)));
    const fetched = await this.#fetcher.chunks(meta, header, missing, signal);
    const bytes = chunks.map((chunk) => have.get(keyOf(chunk)) ?? fetched(chunk));
    const path = joinPath(this.#settings.cacheDir, `${meta.id}-${this.#fileCount++}.parquet`);
    await this.#writing(() => this.#parts.files.writeFileAtomic(path, [MAGIC, ...bytes, ...end]));
    const file = this.#local.add(path, sizeBytes, () => {
      entry.projections = entry.projections.filter((one) => one.file !== file);
    });
    this.#local.pin(file);
    room[Symbol.dispose]();
    const checksums = new Map(chunks.map((chunk, i) => [keyOf(chunk), crc32(bytes[i]!)]));
    const projection: Projection = { ...wanted, file, places, checksums };
    const covered = entry.projections.filter((one) => covers(projection, one));
    entry.projections = [...entry.projections, projection];
    for (const one of covered) await this.#local.drop(one.file);
    const [oldest] = entry.projections;
    if (entry.projections.length > MAX_PROJECTIONS) await this.#local.drop(oldest!.file);
    if (this.#entries.get(meta.id) !== entry) await this.#local.drop(file);
    return { kind: "projection", file, projection };
  }

  /** Chunks that other projections of the segment have, by `chunkKey`. */
  async #copied(
    entry: Entry,
    chunks: readonly ChunkName[],
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const have = new Map<string, Uint8Array>();
    for (const { file, places, checksums } of entry.projections) {
      const here = chunks.filter((c) => places.has(keyOf(c)) && !have.has(keyOf(c)));
      if (here.length === 0) continue;
      this.#local.pin(file);
      let intact = true;
      try {
        const open = await this.#parts.files.openRead(file.path);
        try {
          for (const chunk of here) {
            const bytes = new Uint8Array(chunk.end - chunk.start);
            const count = await open.read(bytes, places.get(keyOf(chunk))!);
            intact &&= count === bytes.length && crc32(bytes) === checksums.get(keyOf(chunk));
            if (intact) have.set(keyOf(chunk), bytes);
          }
        } finally {
          await open.close();
        }
      } catch (error) {
        if (!isPintailError(error, "not_found")) throw error;
        intact = false;
      } finally {
        await this.#local.unpin(file);
      }
      if (intact) continue;
      this.#parts.metrics.broken();
      await this.#local.drop(file);
    }
    return have;
  }

  /** When the disk is full, once more with half of the cache. */
  async #writing(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!isPintailError(error) || !FULL.has(errorCode(error.cause) ?? "")) throw error;
      await this.#local.halve();
      await write();
    }
  }

  /** Errors of the object name the segment, and are told once. */
  async #named<T>(meta: SegmentSummary, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (!isPintailError(cause) || !["corrupt", "not_found"].includes(cause.kind)) throw cause;
      this.#parts.metrics.broken();
      if (!this.#broken.has(meta.id)) {
        this.#broken.add(meta.id);
        this.#parts.log.error("segment in the bucket is missing or broken", {
          segment: meta.id,
          tenant: meta.tenant,
          error: cause,
        });
      }
      const what = cause.kind === "corrupt" ? "broken" : "missing";
      const message = `segment ${meta.id} in the bucket is ${what}`;
      throw new DamagedSegmentError(cause.kind, meta.id, message, cause);
    }
  }

  #entry(id: string): Entry {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = {
        turns: new Turns(1),
        headerTurns: new Turns(1),
        whole: undefined,
        unchecked: undefined,
        projections: [],
      };
      this.#entries.set(id, entry);
    }
    return entry;
  }

  #addWhole(entry: Entry, segment: SegmentSummary): LocalFile {
    const path = segmentPath(this.#settings.segmentDir, segment);
    const file = this.#local.add(path, segment.byteSize, () => {
      entry.whole = undefined;
    });
    entry.whole = file;
    return file;
  }

  #dropHeader(id: string): void {
    const header = this.#headers.get(id);
    if (header === undefined) return;
    this.#headers.delete(id);
    this.#headerBytes -= headerBytes(header);
  }
}

function rectangleOf({ parts }: SegmentHeader, { columns, rowGroups }: SegmentNeed): Rectangle {
  const indexes = parts.columns.flatMap(({ name }, i) =>
    columns === "all" || columns.has(name) ? [i] : [],
  );
  return {
    columns: indexes.length > 0 ? indexes : [0],
    groups: rowGroups === "all" ? parts.groups.map((_, i) => i) : rowGroups,
  };
}

function covers(a: Rectangle, b: Rectangle): boolean {
  return (
    b.columns.every((column) => a.columns.includes(column)) &&
    b.groups.every((group) => a.groups.includes(group))
  );
}

function keyOf({ leaf, group }: ChunkName): string {
  return chunkKey(leaf, group);
}
