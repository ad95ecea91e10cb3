import type { AppendFile, Files, ReadFile } from "../../drivers/files/files.ts";
import type { ByteRange, ObjectStore } from "../../drivers/objects/object-store.ts";
import { isPintailError } from "../../errors.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { segmentKey } from "../bucket/object-keys.ts";
import { checkChunks, checkSegment } from "../segments/read/check-segment.ts";
import { corrupt } from "../segments/read/read-error.ts";
import { checkRowGroups, fetchHeader, type SegmentHeader, withBefore } from "./header.ts";
import { type ChunkName, rangesOf, sliceOf } from "./projection.ts";
import { Turns } from "./turns.ts";

export type FetcherParts = {
  readonly files: Pick<Files, "openAppend" | "openRead" | "rename" | "syncDir" | "unlink">;
  readonly store: Pick<ObjectStore, "getRanges">;
  readonly metrics: {
    fetched(requests: number, bytes: number): void;
    /** What was fetched was not what was stored, and is fetched once more. */
    refetched(): void;
  };
};

/** What of whole objects is in memory at a time, in parts of a request each. */
const PART_BYTES = 4 * 1024 * 1024;
const MAX_PARTS = 8;

/**
 * Brings bytes of segments from the bucket, and gives on only what has the checksums that it had when
 * it was written (older segments have none). Rejects with `corrupt` when it has not, also the second
 * time; else like the store.
 */
export class Fetcher {
  readonly #parts: FetcherParts;
  readonly #turns = new Turns(MAX_PARTS);
  #fileCount = 0;

  constructor(parts: FetcherParts) {
    this.#parts = parts;
  }

  /** One request, or two for an unusually long footer. */
  header(meta: SegmentSummary, signal: AbortSignal): Promise<SegmentHeader> {
    return this.#twice(async (fetch) =>
      fetchHeader(meta, async (range) => (await fetch(meta, [range], signal))[0]!),
    );
  }

  /** The header with the segment's bytes from `from` on, which lies behind its row groups. */
  longerHeader(
    meta: SegmentSummary,
    header: SegmentHeader,
    from: number,
    signal: AbortSignal,
  ): Promise<SegmentHeader> {
    return this.#twice(async (fetch) => {
      const [before] = await fetch(meta, [{ start: from, end: header.tailFrom }], signal);
      return withBefore(header, before!);
    });
  }

  /** What tells the bytes of each of the chunks. */
  chunks(
    meta: SegmentSummary,
    { footer }: SegmentHeader,
    chunks: readonly ChunkName[],
    signal: AbortSignal,
  ): Promise<(range: ByteRange) => Uint8Array> {
    const ranges = rangesOf(chunks);
    return this.#twice(async (fetch) => {
      const fetched = await fetch(meta, ranges, signal);
      const bytesAt = (range: ByteRange) => sliceOf(ranges, fetched, range);
      const places = chunks.map(({ group, leaf }) => footer.groups[group]!.chunks[leaf]!);
      await checkChunks(async (start, length) => {
        // Others get their turn between the windows.
        await new Promise((resolve) => setImmediate(resolve));
        return bytesAt({ start, end: start + length });
      }, places);
      return bytesAt;
    });
  }

  /** The whole object as a file, which is there once it is checked and synced. */
  async whole(meta: SegmentSummary, path: string, signal: AbortSignal): Promise<void> {
    const { files } = this.#parts;
    const temporary = `${path}.tmp-${this.#fileCount++}`;
    const file = await files.openAppend(temporary);
    try {
      try {
        await file.truncate(0);
        await this.#twice(async (fetch) => {
          await this.#download(meta, file, fetch, signal);
          await this.#checkFile(meta, temporary);
        });
        await file.sync();
      } finally {
        await file.close();
      }
      await files.rename(temporary, path);
    } catch (error) {
      // What stays in spite of this is deleted at the next start.
      await files.unlink(temporary).catch(() => {});
      throw error;
    }
    await files.syncDir(path.slice(0, path.lastIndexOf("/")));
  }

  async #download(
    meta: SegmentSummary,
    file: AppendFile,
    fetch: Fetch,
    signal: AbortSignal,
  ): Promise<void> {
    const failed = new AbortController();
    const both = AbortSignal.any([signal, failed.signal]);
    let failure: unknown;
    await Promise.all(
      split(meta.byteSize).map(async (range) => {
        try {
          await this.#turns.run(both, async () => {
            const [bytes] = await fetch(meta, [range], both);
            await file.write([bytes!], range.start);
          });
        } catch (error) {
          failure ??= error;
          failed.abort();
        }
      }),
    );
    if (failure !== undefined) throw failure;
  }

  async #checkFile(meta: SegmentSummary, path: string): Promise<void> {
    const file = await this.#parts.files.openRead(path);
    try {
      checkRowGroups(await checkSegment(readAtOf(file), file.sizeBytes), meta);
    } catch (error) {
      if (isPintailError(error, "unsupported")) throw corrupt("it is no segment", error);
      throw error;
    } finally {
      await file.close();
    }
  }

  /**
   * Bytes may have been hurt on their way: the work is done once more when what it fetched turns out
   * to be `corrupt`. The store's own errors pass through.
   */
  async #twice<T>(work: (fetch: Fetch) => Promise<T>): Promise<T> {
    let failure: unknown;
    const fetch: Fetch = async (...request) => {
      try {
        return await this.#fetch(...request);
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    try {
      return await work(fetch);
    } catch (error) {
      if (failure !== undefined || !isPintailError(error, "corrupt")) throw error;
      this.#parts.metrics.refetched();
      return await work(fetch);
    }
  }

  readonly #fetch: Fetch = async (meta, ranges, signal) => {
    if (ranges.length === 0) return [];
    const { parts } = await this.#parts.store.getRanges(segmentKey(meta), ranges, {
      signal,
      version: meta.object?.version,
      sizeBytes: meta.byteSize,
      mustExist: true,
    });
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    this.#parts.metrics.fetched(ranges.length, bytes);
    return parts;
  };
}

type Fetch = (
  meta: SegmentSummary,
  ranges: readonly ByteRange[],
  signal: AbortSignal,
) => Promise<readonly Uint8Array[]>;

export function readAtOf(file: ReadFile) {
  return async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, await file.read(bytes, offset));
  };
}

function split(size: number): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (let start = 0; start < size; start += PART_BYTES) {
    ranges.push({ start, end: Math.min(size, start + PART_BYTES) });
  }
  return ranges;
}
