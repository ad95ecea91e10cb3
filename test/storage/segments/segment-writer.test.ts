import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { SegmentWriter, segmentPath } from "../../../src/storage/segments/segment-writer.ts";
import { newBatchDecoder } from "../../../src/threads/decoders.ts";
import { ulidSource } from "../../../src/util/ulid.ts";
import { aRequest, aSpan, encodeRequest } from "../../support/otlp-builder.ts";
import { temporaryFolder } from "../wal/wal-support.ts";

const IDENTITY = { tenant: "acme", level: 0, walRange: { from: 0, to: 1 }, replaces: [] };

function setUp() {
  const dir = temporaryFolder();
  const calls: string[] = [];
  const real = nodeFiles();
  const files = {
    ...real,
    syncDir: (path: string) => {
      calls.push(`sync ${path.slice(dir.length)}`);
      return real.syncDir(path);
    },
  };
  const nowMs = () => 1_700_000_000_000;
  const writer = new SegmentWriter({ files, segmentDir: dir, newId: ulidSource(nowMs), nowMs });
  const write = () => {
    const batch = new SpanBatch(1);
    newBatchDecoder(batch, { maxAttributeBytes: 0 }).decode(1, encodeRequest(aRequest([aSpan()])));
    return writer.write(batch, IDENTITY);
  };
  return { dir, calls, write };
}

test("a tenant's new folder is durable before its first segment; later ones do not sync it", async () => {
  const { dir, calls, write } = setUp();
  const first = await write();
  expect(existsSync(segmentPath(dir, first))).toBe(true);
  expect(calls).toEqual(["sync "]);
  await write();
  expect(calls).toEqual(["sync "]);
});

test("a folder that was removed meanwhile is made again", async () => {
  const { dir, write } = setUp();
  await write();
  rmSync(join(dir, "acme"), { recursive: true });
  const meta = await write();
  expect(existsSync(segmentPath(dir, meta))).toBe(true);
});
