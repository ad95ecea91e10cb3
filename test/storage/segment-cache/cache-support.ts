import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import type { SpanBatch } from "../../../src/model/span-batch.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { SegmentCache } from "../../../src/storage/segment-cache/segment-cache.ts";
import { segmentPath } from "../../../src/storage/segments/segment-writer.ts";
import { writeSegment } from "../../../src/storage/segments/write-segment.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { openS3FakeStore } from "../../drivers/objects/open-stores.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../../support/batch-builder.ts";
import { temporaryFolder } from "../wal/wal-support.ts";

export const NEVER = new AbortController().signal;

/** A cache over a fake bucket, with what it did. */
export class CacheBench {
  readonly dir = temporaryFolder();
  readonly segmentDir = join(this.dir, "blocks");
  readonly cacheDir = join(this.dir, "cache");
  readonly bucket: Awaited<ReturnType<typeof openS3FakeStore>>;
  readonly counts = {
    hits: 0,
    misses: 0,
    requests: 0,
    bytes: 0,
    refetched: 0,
    evicted: 0,
    broken: 0,
  };
  readonly stored: SegmentMeta[] = [];
  #nextId = 0;

  static async open(): Promise<CacheBench> {
    return new CacheBench(await openS3FakeStore());
  }

  private constructor(bucket: Awaited<ReturnType<typeof openS3FakeStore>>) {
    this.bucket = bucket;
  }

  cache(cacheBytes = 1 << 30, files = nodeFiles()): Promise<SegmentCache> {
    const { counts, segmentDir, cacheDir } = this;
    const metrics = {
      asked: (hit: boolean) => void (hit ? counts.hits++ : counts.misses++),
      fetched: (requests: number, bytes: number) => {
        counts.requests += requests;
        counts.bytes += bytes;
      },
      refetched: () => void counts.refetched++,
      evicted: (bytes: number) => {
        counts.evicted += bytes;
      },
      broken: () => void counts.broken++,
    };
    const parts = { files, store: this.bucket.store, log: silentLogger, metrics };
    return SegmentCache.open(parts, { segmentDir, cacheDir, cacheBytes }, this.stored);
  }

  /** Puts a segment into the bucket; `local`: its file is there as well. */
  async store(
    { bytes, meta: written }: WrittenSegment,
    { local = false } = {},
  ): Promise<{ readonly meta: SegmentMeta; readonly path: string }> {
    const id = `01SEGMENT${String(this.#nextId++).padStart(17, "0")}`;
    const { info } = await this.bucket.store.put(segmentKey({ ...written, id }), bytes, {
      signal: NEVER,
      ifAbsent: true,
    });
    const meta = { ...written, id, object: { version: info.version } };
    const path = local ? segmentPath(this.segmentDir, meta) : join(this.dir, `${id}.original`);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, bytes);
    this.stored.push(meta);
    return { meta, path };
  }

  gets(): number {
    return this.bucket.requests.filter(({ operation }) => operation === "get").length;
  }

  close(): Promise<void> {
    return this.bucket.close();
  }
}

export type WrittenSegment = { readonly bytes: Uint8Array; readonly meta: SegmentMeta };

export function written(batch: SpanBatch, rowGroupRows: number): WrittenSegment {
  const { chunks, meta } = writeSegment(batch, {
    id: "",
    tenant: "single-tenant",
    level: 1,
    walRange: undefined,
    replaces: [],
    createdUnixMs: 0,
    zstdLevel: 1,
    rowGroupRows,
  });
  return { bytes: new Uint8Array(Buffer.concat(chunks)), meta };
}

/** Traces of five spans with two dozen attributes, some of which no two spans share. */
export function shopBatch(traces: number, firstTrace = 0): SpanBatch {
  const services = Array.from({ length: 8 }, (_, i) => aService(`service-${i}`));
  return batchOf(
    Array.from({ length: traces * 5 }, (_, i) => {
      const trace = firstTrace + Math.floor(i / 5);
      const startUnixNano = 1_700_000_000_000_000_000n + BigInt(trace) * 7_000_003n + BigInt(i % 5);
      return aSpan({
        traceId: traceIdOf(1_000_003n * BigInt(trace + 1)),
        spanId: spanIdOf(5 * firstTrace + i + 1),
        parentSpanId: i % 5 === 0 ? "" : spanIdOf(5 * firstTrace + i),
        name: `operation ${i % 23}`,
        startUnixNano,
        endUnixNano: startUnixNano + BigInt((i * 7919) % 1_000_000),
        resource: services[i % 8]!,
        attributes: Array.from({ length: 24 }, (_, a) => ({
          key: `attribute.${a}`,
          value:
            a % 3 === 0
              ? `value-${(i * (a + 7) * 2_654_435_761) % 1_000_000_007}`
              : `v${i % (a + 2)}`,
        })),
      });
    }),
  );
}

export function bytesOf(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}
