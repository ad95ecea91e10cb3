import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { PintailError } from "../../../src/errors.ts";
import { decompressBody } from "../../../src/ingest/decompress.ts";
import { BodyEncoding, BodyFormat } from "../../../src/ingest/ingest.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import type { SegmentMeta, WalRange } from "../../../src/schema/segment-meta.ts";
import { readSegmentFile } from "../../../src/storage/catalog/rebuild.ts";
import { CompactionWorker } from "../../../src/storage/compaction/compaction-worker.ts";
import type { MergeInput } from "../../../src/storage/compaction/messages.ts";
import { packTraceIds } from "../../../src/storage/compaction/trace-set.ts";
import { readSegmentMeta } from "../../../src/storage/segments/segment-footer.ts";
import { SegmentWriter, segmentPath } from "../../../src/storage/segments/segment-writer.ts";
import { scanWalRange } from "../../../src/storage/wal/read-range.ts";
import { appendSegments } from "../../../src/threads/append-segments.ts";
import { newBatchDecoder } from "../../../src/threads/decoders.ts";
import { ulidSource } from "../../../src/util/ulid.ts";
import { aRequest, aSpan, encodeRequest, hex } from "../../support/otlp-builder.ts";
import { readBatch } from "../../support/read-batch.ts";
import { openWal, temporaryFolder } from "../wal/wal-support.ts";

async function setUp(maxSegmentSpans: number) {
  const [dir, walDir] = [temporaryFolder(), temporaryFolder()];
  const files = nodeFiles();
  const wal = await openWal(walDir);
  const nowMs = () => 1_700_000_000_000;
  const writer = new SegmentWriter({
    files,
    segmentDir: dir,
    newId: ulidSource(nowMs),
    nowMs,
  });
  const disk = { failsAfter: Number.POSITIVE_INFINITY };
  const removed: string[] = [];
  const worker = new CompactionWorker({
    newDecoder: newBatchDecoder,
    newSeed: () => 5,
    segments: {
      write: (...args: Parameters<SegmentWriter["write"]>) => {
        if (disk.failsAfter-- <= 0) throw new PintailError("unavailable", "no space");
        return writer.write(...args);
      },
      remove: async (segments: Parameters<SegmentWriter["remove"]>[0]) => {
        removed.push(...segments.map(({ id }) => id));
        await writer.remove(segments);
      },
    } as unknown as SegmentWriter,
    readWal: async function* (range: WalRange) {
      for await (const item of scanWalRange(files, walDir, range)) {
        if (item.type === "entry") yield item.record;
      }
    },
    bodyOf: (record) =>
      decompressBody(record.body, record.encoding as BodyEncoding, record.maxDecodedBytes),
    appendSegments: (inputs, batch, options) =>
      appendSegments({ tempDir: dir }, inputs, batch, options),
    cpuMs: () => 0,
    maxSegmentSpans,
  });
  let serial = 0;
  /** Appends a request of `spans` new spans and returns their ids. */
  const append = (
    tenant: string,
    spans: number,
    encoding: BodyEncoding = BodyEncoding.gzip,
    trace?: number,
  ) => {
    const ids = Array.from({ length: spans }, () => (++serial).toString(16).padStart(16, "0"));
    const body = encodeRequest(
      aRequest(
        ids.map((id) =>
          aSpan({
            spanId: hex(id),
            ...(trace === undefined ? {} : { traceId: hex(trace.toString(16).padStart(32, "0")) }),
          }),
        ),
      ),
    );
    wal.append({
      tenant,
      format: BodyFormat.otlpProtobuf,
      encoding,
      receivedUnixMs: 1,
      maxDecodedBytes: 1_000_000,
      body: encoding === BodyEncoding.gzip ? gzipSync(body) : body,
    });
    return ids;
  };
  const buildL1 = async (replaces: { tenant: string; ids: string[] }[] = []) => {
    const walRange = { from: 0, to: wal.nextLsn };
    await wal.close();
    return worker.run({
      type: "l1",
      id: 1,
      walRange,
      voids: [],
      replaces,
      maxAttributeBytes: [],
      defaultMaxAttributeBytes: 0,
      usedKeys: [],
    });
  };
  const spansIn = async (metas: readonly SegmentMeta[]) => {
    const batch = new SpanBatch(1);
    await appendSegments({ tempDir: dir }, inputsOf(dir, metas), batch);
    return readBatch(batch);
  };
  const idsIn = async (metas: readonly SegmentMeta[]): Promise<string[]> =>
    (await spansIn(metas)).map(({ spanId }) => spanId).sort();
  const tracesIn = async (metas: readonly SegmentMeta[]): Promise<string[]> =>
    (await spansIn(metas)).map(({ traceId }) => traceId).sort();
  return { append, buildL1, idsIn, disk, removed, worker, dir, tracesIn };
}

function inputsOf(dir: string, metas: readonly SegmentMeta[]): MergeInput[] {
  return metas.map((meta) => ({ meta, path: segmentPath(dir, meta) }));
}

function metasOf(reply: Awaited<ReturnType<CompactionWorker["run"]>>): readonly SegmentMeta[] {
  if (reply.type !== "done") throw new Error(reply.message);
  return reply.metas;
}

test("an L1 of several tenants and more spans than a segment takes has each span once", async () => {
  const { append, buildL1, idsIn } = await setUp(10);
  const sent = new Map<string, string[]>([
    ["a", []],
    ["b", []],
    ["c", []],
  ]);
  for (let i = 0; i < 12; i++) {
    for (const [tenant, count] of [
      ["a", 3],
      ["b", 1],
      ["c", i === 5 ? 25 : 0],
    ] as const) {
      if (count > 0) sent.get(tenant)?.push(...append(tenant, count));
    }
  }
  const metas = metasOf(await buildL1([{ tenant: "a", ids: ["01HA"] }]));
  for (const [tenant, ids] of sent) {
    const own = metas.filter((m) => m.tenant === tenant);
    expect(await idsIn(own)).toEqual(ids.sort());
    expect(own.every((m) => m.level === 1 && m.walRange?.from === 0)).toBe(true);
    expect(own.every((m) => m.replaces.join() === (tenant === "a" ? "01HA" : ""))).toBe(true);
  }
  expect(metas.filter((m) => m.tenant === "a").length).toBeGreaterThan(1);
});

test("a range of more tenants than batches fit in memory has each span once", async () => {
  const { append, buildL1, idsIn } = await setUp(1000);
  const sent: string[] = [];
  for (let i = 0; i < 300; i++) sent.push(...append(`t${i}`, 1));
  for (let i = 0; i < 300; i += 50) sent.push(...append(`t${i}`, 2));
  const metas = metasOf(await buildL1());
  expect(new Set(metas.map((m) => m.tenant)).size).toBe(300);
  expect(await idsIn(metas)).toEqual(sent.sort());
}, 60_000);

test("a record that does not decode is counted and left out", async () => {
  const { append, buildL1, idsIn } = await setUp(1000);
  const sent = append("a", 2);
  append("a", 1, BodyEncoding.zstd);
  sent.push(...append("a", 1, BodyEncoding.identity));
  const reply = await buildL1();
  expect(reply).toMatchObject({ type: "done", undecodable: 1 });
  expect(await idsIn(metasOf(reply))).toEqual(sent);
});

test("a job that fails half way leaves no files", async () => {
  const { append, buildL1, disk, removed } = await setUp(2);
  for (let i = 0; i < 5; i++) append("a", 2);
  disk.failsAfter = 3;
  expect(await buildL1()).toMatchObject({ type: "failed", kind: "unavailable" });
  expect(removed).toHaveLength(3);
});

/** A segment with one span of each trace. */
async function oneSegment(spans: number) {
  const set = await setUp(10_000);
  for (let i = 1; i <= spans; i++) set.append("a", 1, BodyEncoding.identity, i);
  const metas = metasOf(await set.buildL1());
  const inputs = inputsOf(set.dir, metas);
  const merge = (options: object) =>
    set.worker.run({ type: "merge", id: 2, tenant: "a", inputs, usedKeys: [], ...options });
  return { ...set, merge, traces: await set.tracesIn(metas) };
}

test("a merge keeps only the traces asked for, says how many spans it left out, and has their class", async () => {
  const { dir, merge, traces, tracesIn } = await oneSegment(300);
  const kept = traces.filter((_, i) => i % 3 === 1);
  const reply = await merge({ keepTraces: packTraceIds(kept), retentionClass: "errors" });
  expect(reply).toMatchObject({ type: "done", leftOut: 200, unchanged: false });
  const metas = metasOf(reply);
  expect(await tracesIn(metas)).toEqual(kept);
  expect(metas.map((m) => m.retentionClass)).toEqual(["errors"]);
  // Also for whoever has nothing but the file.
  const path = segmentPath(dir, metas[0]!);
  const fromFile = await readSegmentFile({ files: nodeFiles(), readMeta: readSegmentMeta }, path);
  expect(fromFile.retentionClass).toBe("errors");
});

test("a merge leaves hidden traces out, and of a segment with nothing else makes none", async () => {
  const { merge, traces, tracesIn } = await oneSegment(50);
  const some = await merge({ hiddenTraces: packTraceIds(traces.slice(10, 20)), onlyIfLess: true });
  expect(some).toMatchObject({ leftOut: 10, unchanged: false });
  expect(await tracesIn(metasOf(some))).toEqual([...traces.slice(0, 10), ...traces.slice(20)]);
  const all = await merge({ hiddenTraces: packTraceIds(traces) });
  expect(all).toMatchObject({ metas: [], leftOut: 50, unchanged: false });
});

test("traces that a segment is only said to hold cost no new file", async () => {
  const { merge } = await oneSegment(5);
  const hiddenTraces = packTraceIds(["f".repeat(32)]);
  expect(await merge({ hiddenTraces, onlyIfLess: true })).toMatchObject({
    metas: [],
    leftOut: 0,
    unchanged: true,
  });
});
