import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PintailError } from "../../src/errors.ts";
import type { FrozenHead } from "../../src/ingest/head.ts";
import { BodyEncoding, BodyFormat } from "../../src/ingest/ingest.ts";
import { IngestWorker } from "../../src/ingest/ingest-worker.ts";
import {
  DERIVE_NOTHING,
  type FromIngestWorker,
  type ToIngestWorker,
} from "../../src/ingest/messages.ts";
import type { NewBatchDecoder } from "../../src/model/batch-decoder.ts";
import type { SegmentMeta } from "../../src/schema/segment-meta.ts";
import { SegmentWriter } from "../../src/storage/segments/segment-writer.ts";
import { newBatchDecoder } from "../../src/threads/decoders.ts";
import { ulidSource } from "../../src/util/ulid.ts";
import { faultyFiles } from "../support/faulty-files.ts";
import { aRequest, aSpan, encodeRequest, hex } from "../support/otlp-builder.ts";

type Derived = Pick<FrozenHead, "tenant" | "metrics" | "skipped" | "spanBytes"> & {
  readonly spanCount: number;
  readonly cutsAnswered: number;
};
type RecordMessage = Extract<ToIngestWorker, { type: "record" }>;

let dir: string;
let nowMs = 0;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ingest-worker-"));
  nowMs = 1_700_000_000_000;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A worker whose replies can be awaited; `failWrites` makes the disk refuse. */
function setUp(newDecoder: NewBatchDecoder = newBatchDecoder) {
  const replies: FromIngestWorker[] = [];
  const waiting: (() => void)[] = [];
  const disk = { full: false };
  const files = faultyFiles();
  const writer = new SegmentWriter({
    files,
    segmentDir: dir,
    newId: ulidSource(() => nowMs),
    nowMs: () => nowMs,
  });
  const written: SegmentMeta[] = [];
  const derived: Derived[] = [];
  const worker = new IngestWorker({
    newDecoder,
    newSeed: () => 7,
    nowMs: () => nowMs,
    segments: {
      write: async (
        batch: Parameters<SegmentWriter["write"]>[0],
        identity: Parameters<SegmentWriter["write"]>[1],
      ) => {
        if (disk.full) throw new PintailError("unavailable", "no space", { retryAfterMs: 1000 });
        const meta = await writer.write(batch, identity);
        written.push(meta);
        return meta;
      },
      remove: (segments: Parameters<SegmentWriter["remove"]>[0]) => writer.remove(segments),
    } as unknown as SegmentWriter,
    send: (message) => {
      replies.push(message);
      for (const wake of waiting.splice(0)) wake();
    },
    derive: async ({ tenant, metrics, skipped, batch, spanBytes }) => {
      const { spanCount } = batch;
      const cutsAnswered = replies.filter(({ type }) => type === "cut").length;
      derived.push({ tenant, metrics, skipped, spanCount, spanBytes, cutsAnswered });
      // The batch stays what it is for as long as this takes.
      await new Promise((resolve) => setImmediate(resolve));
      expect(batch.spanCount).toBe(spanCount);
    },
  });
  const replyTo = async (id: number): Promise<FromIngestWorker> => {
    for (;;) {
      const reply = replies.find((r) => r.id === id);
      if (reply !== undefined) return reply;
      await new Promise<void>((done) => waiting.push(done));
    }
  };
  return { worker, replyTo, disk, faults: files.faults, written, derived };
}

function record(id: number, body: Uint8Array, more: Partial<RecordMessage> = {}): RecordMessage {
  return {
    type: "record",
    id,
    tenant: "t",
    format: BodyFormat.otlpProtobuf,
    encoding: BodyEncoding.identity,
    maxDecodedBytes: 1_000_000,
    maxAttributeBytes: 0,
    rate: undefined,
    receivedUnixMs: 1_767_225_600_000,
    derive: DERIVE_NOTHING,
    body: new Uint8Array(body).buffer,
    ...more,
  };
}

const twoSpans = encodeRequest(
  aRequest([aSpan(), aSpan({ spanId: hex("0000000000000002"), name: "second" })]),
);

test("records of two tenants become one L0 segment each, of the cut's WAL range", async () => {
  const { worker, replyTo } = setUp();
  worker.receive(record(1, twoSpans));
  worker.receive(record(2, gzipSync(twoSpans), { tenant: "u", encoding: BodyEncoding.gzip }));
  worker.receive({ type: "cut", id: 3, walRange: { from: 10, to: 20 } });
  expect(await replyTo(1)).toMatchObject({
    type: "decoded",
    spanCount: 2,
    protobufBytes: twoSpans.length,
  });
  const cut = await replyTo(3);
  expect(cut.type).toBe("cut");
  const metas = cut.type === "cut" ? cut.metas : [];
  expect(metas.map((m) => [m.tenant, m.level, m.rowCount, m.walRange])).toEqual([
    ["t", 0, 2, { from: 10, to: 20 }],
    ["u", 0, 2, { from: 10, to: 20 }],
  ]);
});

test("a refused record leaves nothing in the head", async () => {
  const { worker, replyTo } = setUp();
  const zeroId = encodeRequest(aRequest([aSpan(), aSpan({ spanId: hex("0000000000000000") })]));
  worker.receive(record(1, zeroId));
  worker.receive(record(2, twoSpans.subarray(0, twoSpans.length - 1)));
  worker.receive(record(3, new Uint8Array([1, 2, 3]), { encoding: BodyEncoding.gzip }));
  worker.receive(record(4, gzipSync(new Uint8Array(2_000_000)), { encoding: BodyEncoding.gzip }));
  worker.receive({ type: "cut", id: 5, walRange: { from: 0, to: 9 } });
  expect(await replyTo(1)).toMatchObject({
    type: "refused",
    kind: "invalid",
    reason: "invalid_span_id",
  });
  expect(await replyTo(2)).toMatchObject({ type: "refused", kind: "malformed" });
  expect(await replyTo(3)).toMatchObject({ type: "refused", kind: "malformed" });
  expect(await replyTo(4)).toMatchObject({ type: "refused", kind: "too_large" });
  expect(await replyTo(5)).toEqual({ type: "cut", id: 5, metas: [], heldBytes: 0 });
});

test("the rate limit counts protobuf bytes, and what is refused is not in the head", async () => {
  const { worker, replyTo } = setUp();
  const rate = { bytesPerSecond: twoSpans.length, burstBytes: twoSpans.length };
  worker.receive(record(1, twoSpans, { rate }));
  worker.receive(record(2, gzipSync(twoSpans), { rate, encoding: BodyEncoding.gzip }));
  nowMs += 1000;
  worker.receive(record(3, twoSpans, { rate }));
  worker.receive({ type: "cut", id: 4, walRange: { from: 0, to: 9 } });
  expect(await replyTo(1)).toMatchObject({ type: "decoded" });
  expect(await replyTo(2)).toMatchObject({
    type: "refused",
    kind: "limited",
    reason: "rate_limited",
  });
  expect(await replyTo(3)).toMatchObject({ type: "decoded" });
  expect(await replyTo(4)).toMatchObject({ metas: [{ rowCount: 4 }] });
});

test("a cut that fails keeps its spans for the next one, each once", async () => {
  const { worker, replyTo, disk } = setUp();
  disk.full = true;
  worker.receive(record(1, twoSpans));
  worker.receive({ type: "cut", id: 2, walRange: { from: 0, to: 5 } });
  expect(await replyTo(2)).toMatchObject({ type: "failed", kind: "unavailable" });
  disk.full = false;
  worker.receive(record(3, twoSpans));
  worker.receive({ type: "cut", id: 4, walRange: { from: 0, to: 9 } });
  const cut = await replyTo(4);
  expect(cut).toMatchObject({
    metas: [
      { rowCount: 2, walRange: { from: 0, to: 5 } },
      { rowCount: 2, walRange: { from: 0, to: 9 } },
    ],
  });
});

test("a cut that does not fit says how much room is too little", async () => {
  const { worker, replyTo, faults } = setUp();
  const large = Array.from({ length: 2000 }, (_, i) =>
    aSpan({ spanId: hex((i + 1).toString(16).padStart(16, "0")) }),
  );
  const cutWithRoom = async (id: number, freeBytes: number): Promise<FromIngestWorker> => {
    faults.freeBytes = freeBytes;
    worker.receive({ type: "cut", id, walRange: { from: 0, to: id } });
    return await replyTo(id);
  };
  const neededOf = (reply: FromIngestWorker) =>
    reply.type === "failed" ? (reply.neededBytes ?? 0) : Number.NaN;
  worker.receive(record(1, twoSpans));
  worker.receive(record(2, encodeRequest(aRequest(large)), { tenant: "u" }));
  const small = neededOf(await cutWithRoom(3, 0));
  // The first file fits now, so the second one was made as well.
  const both = neededOf(await cutWithRoom(4, small));
  expect(small).toBeLessThan(both);
  const cut = await cutWithRoom(5, both);
  const sizes = cut.type === "cut" ? cut.metas.map(({ byteSize }) => byteSize) : [];
  const inBlocks = sizes.map((bytes) => Math.ceil(bytes / 4096) * 4096);
  expect([small, both]).toEqual([inBlocks[0], inBlocks[0]! + inBlocks[1]!]);
});

test("records that come while a cut is written are in the next cut only", async () => {
  const { worker, replyTo } = setUp();
  worker.receive(record(1, twoSpans));
  worker.receive({ type: "cut", id: 2, walRange: { from: 0, to: 5 } });
  worker.receive(record(3, twoSpans));
  worker.receive({ type: "cut", id: 4, walRange: { from: 5, to: 9 } });
  expect(await replyTo(2)).toMatchObject({
    metas: [{ rowCount: 2, walRange: { from: 0, to: 5 } }],
  });
  expect(await replyTo(4)).toMatchObject({
    metas: [{ rowCount: 2, walRange: { from: 5, to: 9 } }],
  });
});

test("attribute keys and values beyond maxAttributeBytes are cut and counted by scope", async () => {
  const { worker, replyTo } = setUp();
  const span = aSpan({
    attributes: [{ key: "k", value: { value: { case: "stringValue", value: "x".repeat(50) } } }],
  });
  worker.receive(record(1, encodeRequest(aRequest([span])), { maxAttributeBytes: 20 }));
  expect(await replyTo(1)).toMatchObject({
    type: "decoded",
    truncated: { span: 1, resource: 0, scope: 0, event: 0, link: 0 },
  });
});

test("every reply says how much waits for a segment, until it is in one", async () => {
  const { worker, replyTo, disk } = setUp();
  const emptyHead = 350 * 1024;
  worker.receive(record(1, twoSpans));
  worker.receive(record(2, gzipSync(twoSpans), { tenant: "u", encoding: BodyEncoding.gzip }));
  worker.receive(record(3, new Uint8Array([1, 2, 3]), { tenant: "v" }));
  const held = 2 * emptyHead + 2 * twoSpans.length;
  expect(await replyTo(2)).toMatchObject({ heldBytes: held });
  expect(await replyTo(3)).toMatchObject({ type: "refused", heldBytes: held + emptyHead });
  disk.full = true;
  worker.receive({ type: "cut", id: 4, walRange: { from: 0, to: 5 } });
  expect(await replyTo(4)).toMatchObject({ type: "failed", heldBytes: held });
  disk.full = false;
  worker.receive({ type: "cut", id: 5, walRange: { from: 5, to: 5 } });
  const cut = await replyTo(5);
  expect(cut).toMatchObject({ type: "cut", heldBytes: 0 });
  expect(cut.type === "cut" && cut.metas).toHaveLength(2);
});

test("a tenant over its limit stays so, however many others come", async () => {
  const { worker, replyTo } = setUp();
  const rate = { bytesPerSecond: 1, burstBytes: twoSpans.length };
  worker.receive(record(1, twoSpans, { rate }));
  const free = { bytesPerSecond: 1, burstBytes: 1e9 };
  // Buckets are looked through at the 1001st.
  for (let i = 2; i < 1500; i++) {
    worker.receive(record(i, new Uint8Array(0), { rate: free, tenant: `t${i}` }));
    if (i % 100 === 0)
      worker.receive({ type: "cut", id: 10_000 + i, walRange: { from: i, to: i } });
  }
  worker.receive(record(1500, twoSpans, { rate }));
  expect(await replyTo(1500)).toMatchObject({ type: "refused", reason: "rate_limited" });
});

test("a decoder that fails in an unknown way refuses the record, and the thread lives", async () => {
  const { worker, replyTo } = setUp((batch, options) => {
    const decoder = newBatchDecoder(batch, options);
    const broken = (): never => {
      throw new RangeError("invalid array length");
    };
    return {
      truncated: decoder.truncated,
      decode: (format, body, admit) =>
        body.length === 3 ? broken() : decoder.decode(format, body, admit),
      countSpans: broken,
    };
  });
  worker.receive(record(1, new Uint8Array(3)));
  worker.receive(record(2, twoSpans));
  expect(await replyTo(1)).toMatchObject({ type: "refused", kind: "internal", spanCount: 0 });
  expect(await replyTo(2)).toMatchObject({ type: "decoded", spanCount: 2 });
});

test("spans are handed on once, when their cut is answered, with those that ask for no metrics named", async () => {
  const { worker, replyTo, disk, derived } = setUp();
  const derive = (skipMetrics: boolean) => ({ derive: { metrics: 3, skipMetrics } });
  worker.receive(record(1, twoSpans, derive(false)));
  worker.receive(record(2, twoSpans, derive(true)));
  worker.receive(record(3, twoSpans, derive(false)));
  worker.receive(record(4, twoSpans, { tenant: "other" }));
  disk.full = true;
  worker.receive({ type: "cut", id: 5, walRange: { from: 0, to: 10 } });
  expect(await replyTo(5)).toMatchObject({ type: "failed" });
  expect(derived).toEqual([]);
  disk.full = false;
  worker.receive({ type: "cut", id: 6, walRange: { from: 10, to: 20 } });
  await replyTo(6);
  await worker.idle();
  const decoded = await replyTo(1);
  const bytes = decoded.type === "decoded" ? decoded.protobufBytes : 0;
  expect(derived).toEqual([
    {
      ...{ tenant: "t", metrics: 3, skipped: [{ from: 2, to: 4 }], spanCount: 6 },
      ...{ spanBytes: 3 * bytes, cutsAnswered: 1 },
    },
    {
      ...{ tenant: "other", metrics: 0, skipped: [], spanCount: 2 },
      ...{ spanBytes: bytes, cutsAnswered: 1 },
    },
  ]);
});
