import { join } from "node:path";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { SegmentCache } from "../../../src/storage/segment-cache/segment-cache.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";

/** Objects in memory, as far as a segment cache reads them. */
export class MemoryBucket {
  readonly #objects = new Map<string, Uint8Array>();
  #nextId = 0;
  /** Changes the bytes of an answer, which begin at `start` of the object. */
  damage: (bytes: Uint8Array, start: number) => void = () => {};
  readonly counts = { refetched: 0, broken: 0, fetchedBytes: 0 };

  /** The meta of the segment as it rests here, under an id of its own. */
  put(file: Uint8Array, written: SegmentMeta): SegmentMeta {
    const id = `01SEGMENT${String(this.#nextId++).padStart(17, "0")}`;
    const meta = { ...written, id, byteSize: file.length, object: { version: "1" } };
    this.#objects.set(segmentKey(meta), file);
    return meta;
  }

  /** A cache in `dir` that fetches nothing whole unless all of it is needed. */
  cache(dir: string, stored: readonly SegmentMeta[] = []): Promise<SegmentCache> {
    const none = () => {};
    const { counts } = this;
    return SegmentCache.open(
      {
        files: nodeFiles(),
        store: {
          getRanges: async (key, ranges) => {
            const bytes = this.#objects.get(key)!;
            const info = { key, sizeBytes: bytes.length, version: "1" };
            const parts = ranges.map(({ start, end }) => bytes.slice(start, end));
            for (const [i, { start }] of ranges.entries()) this.damage(parts[i]!, start);
            return { info, parts };
          },
        },
        log: silentLogger,
        metrics: {
          asked: none,
          fetched: (_, bytes) => {
            counts.fetchedBytes += bytes;
          },
          refetched: () => void counts.refetched++,
          evicted: none,
          broken: () => void counts.broken++,
        },
      },
      {
        segmentDir: join(dir, "copies"),
        cacheDir: join(dir, "cache"),
        cacheBytes: 2 ** 40,
        whole: { maxBytes: 0, share: 1 },
      },
      stored,
    );
  }
}
