import { expect, test } from "vitest";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { PintailError } from "../../src/errors.ts";
import { Cutter } from "../../src/ingest/cutter.ts";
import { IngestChannel } from "../../src/ingest/ingest-channel.ts";
import type { FromIngestWorker } from "../../src/ingest/messages.ts";
import { replay } from "../../src/ingest/replay.ts";
import type { SegmentMeta } from "../../src/schema/segment-meta.ts";
import { Wal } from "../../src/storage/wal/wal.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { temporaryFolder } from "../storage/wal/wal-support.ts";
import { MemoryCatalog } from "../support/memory-catalog.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";

const MIB = 1024 * 1024;

/** A WAL of `bodies`, and a worker that holds `bytesEach` for each record that decodes. */
async function setUp(bodies: readonly number[], bytesEach: number) {
  const dir = temporaryFolder();
  const open = () =>
    Wal.open({
      files: nodeFiles(),
      dir,
      recoverFrom: 0,
      startAtLeast: 0,
      nowMs: () => performance.now(),
    });
  const before = await open();
  for (const n of bodies) {
    const body = new Uint8Array([n]);
    const entry = { tenant: "t", format: 1, encoding: 0, receivedUnixMs: 1, maxDecodedBytes: 9 };
    before.append({ ...entry, body });
  }
  await before.close();
  const wal = await open();
  const catalog = new MemoryCatalog();
  const disk = { full: false };
  let heldBytes = 0;
  let most = 0;
  let cutSpans = 0;
  let spans = 0;
  let reply: (message: FromIngestWorker) => void = () => {};
  const channel = new IngestChannel({
    post(message) {
      const { id } = message;
      if (message.type === "record") {
        const refused = new Uint8Array(message.body)[0] === 0;
        if (!refused) {
          heldBytes += bytesEach;
          spans++;
        }
        most = Math.max(most, heldBytes);
        const answer = refused
          ? ({ type: "refused", kind: "malformed", message: "no", reason: "r" } as const)
          : ({ type: "decoded", truncated: undefined } as const);
        const held = heldBytes;
        queueMicrotask(() => {
          reply({ ...answer, id, spanCount: 1, protobufBytes: 1, heldBytes: held });
        });
        return;
      }
      const metas: SegmentMeta[] = [];
      if (!disk.full) {
        heldBytes = 0;
        cutSpans += spans;
        metas.push(aSegmentMeta({ id: `s${message.walRange.to}`, level: 0, rowCount: spans }));
        spans = 0;
      }
      queueMicrotask(() =>
        reply(
          disk.full
            ? { type: "failed", id, kind: "unavailable", message: "disk full", heldBytes }
            : { type: "cut", id, metas, heldBytes },
        ),
      );
    },
    onMessage: (listener) => {
      reply = listener;
    },
    onExit: () => {},
  });
  const cutter = new Cutter(
    {
      cut: (range) => channel.cut(range),
      catalog,
      freeBytes: async () => 0,
      log: silentLogger,
      monotonicMs: () => performance.now(),
      after: (delayMs, run) => {
        const timer = setTimeout(run, delayMs);
        return () => clearTimeout(timer);
      },
    },
    { cutAfterMs: 60_000, cutAfterBytes: 1e9, minCutIntervalMs: 0 },
  );
  const run = (maxHeldBytes = 1024 * MIB) =>
    replay(
      { wal, channel, cutter, maxAttributeBytesOf: () => 0, log: silentLogger },
      catalog.walPositions().cutTo,
      { maxHeldBytes },
    );
  return { run, catalog, wal, disk, cutSpans: () => cutSpans, most: () => most, open };
}

test("everything is cut at the end; what does not decode is put aside and voided", async () => {
  const { run, catalog, wal, cutSpans, open } = await setUp([1, 0, 2, 3], 1);
  expect(await run()).toEqual({ records: 4, spans: 3, quarantined: 1 });
  expect(cutSpans()).toBe(3);
  expect(catalog.walPositions().cutTo).toBe(wal.nextLsn);
  expect(wal.counts().quarantined.saved).toBe(1);
  await wal.close();
  const again = await open();
  expect(again.recovery.voidedRecords).toBe(1);
  await again.close();
});

test("the memory is bounded by cuts, by the size of what is decoded", async () => {
  const { run, wal, most, cutSpans } = await setUp(new Array(1000).fill(1), MIB);
  await run();
  expect(cutSpans()).toBe(1000);
  expect(most()).toBeLessThanOrEqual(128 * MIB);
  await wal.close();
});

test("a full disk does not fail the start, unless more waits than memory may take", async () => {
  const { run, wal, disk } = await setUp(new Array(300).fill(1), MIB);
  disk.full = true;
  expect(await run()).toMatchObject({ spans: 300 });
  await wal.close();
  const other = await setUp(new Array(300).fill(1), MIB);
  other.disk.full = true;
  const failing = other.run(200 * MIB);
  await expect(failing).rejects.toThrow(PintailError);
  await expect(failing).rejects.toMatchObject({ kind: "unavailable" });
  await other.wal.close();
});
