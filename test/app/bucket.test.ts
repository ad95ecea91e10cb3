import fs from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Bucket } from "../../src/app/bucket.ts";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { DEFAULT_S3 } from "../../src/drivers/objects/settings.ts";
import { SILENT_AFTER_MS } from "../../src/storage/bucket/bucket-owner.ts";
import { OWNER_KEY, segmentKey } from "../../src/storage/bucket/object-keys.ts";
import type { BucketSettings } from "../../src/storage/settings.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { MetricRegistry } from "../../src/telemetry/metrics.ts";
import { temporaryFolder } from "../storage/wal/wal-support.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";

const signal = new AbortController().signal;

async function open(dir: string, store: BucketSettings["store"]) {
  const lines: string[] = [];
  const log = createLogger({ level: "debug", format: "logfmt" }, Date.now, (l) => lines.push(l));
  const folders = { dataDir: dir, segmentDir: `${dir}/blocks`, walDir: `${dir}/wal` };
  const settings = { store, cacheBytes: 1e9, maxSpillBytes: 1e9, uploadAfterMs: 1000 };
  const parts = { files: nodeFiles(), log, metrics: new MetricRegistry() };
  const bucket = await Bucket.open(parts, settings, folders);
  onTestFinished(() => bucket.close());
  return { bucket, lines };
}

const inFolder = (dir: string): BucketSettings["store"] => ({
  backend: "local",
  local: { path: `${dir}/bucket` },
});

test("a bucket of another catalog refuses a node that has a catalog, in words that help", async () => {
  const shared = inFolder(temporaryFolder());
  const first = await open(temporaryFolder(), shared);
  await first.bucket.checkOwner();
  const second = await open(temporaryFolder(), shared);
  const refused = second.bucket.checkOwner();
  await expect(refused).rejects.toMatchObject({ kind: "invalid" });
  await expect(refused).rejects.toThrow(
    /belongs to another Pintail .*prefix of its own.*empty data/,
  );
  await first.bucket.checkOwner();
});

test("an empty node takes a bucket over, one with spans of its own does not", async () => {
  const shared = inFolder(temporaryFolder());
  const first = await open(temporaryFolder(), shared);
  await first.bucket.takeForRebuild();
  expect(first.lines).toEqual([]);
  const withSegments = temporaryFolder();
  fs.mkdirSync(path.join(withSegments, "blocks", "acme"), { recursive: true });
  fs.writeFileSync(path.join(withSegments, "blocks", "acme", "x.parquet"), "x");
  const second = await open(withSegments, shared);
  await expect(second.bucket.takeForRebuild()).rejects.toMatchObject({ kind: "invalid" });
  const empty = temporaryFolder();
  fs.mkdirSync(path.join(empty, "blocks", "acme"), { recursive: true });
  const third = await open(empty, shared);
  const refused = third.bucket.takeForRebuild();
  await expect(refused).rejects.toThrow(/which was alive .* 'pintail catalog rebuild'/);
  await third.bucket.takeForRebuild({ evenIfAlive: true });
  expect(third.lines.join("\n")).toContain("takes it over");
  // A rebuild that did not come to its end begins again, by then as the owner.
  await (await open(empty, shared)).bucket.takeForRebuild();
  // One that was empty and has fallen silent: no command is needed.
  const record = { catalog: "gone", sinceUnixMs: 1, renewedUnixMs: Date.now() - SILENT_AFTER_MS };
  const bytes = new TextEncoder().encode(JSON.stringify(record));
  await first.bucket.store.put(OWNER_KEY, bytes, { ifAbsent: false, signal });
  await expect(first.bucket.takeForRebuild()).resolves.toBeUndefined();
});

test("a bucket that is away does not keep a node with a catalog from starting", async () => {
  const { bucket, lines } = await open(temporaryFolder(), {
    backend: "s3",
    s3: {
      ...DEFAULT_S3,
      bucket: "b",
      endpoint: "127.0.0.1:1",
      insecure: true,
      accessKey: "a",
      secretKey: "s",
      retry: { ...DEFAULT_S3.retry, maxAttempts: 2, backoffInitialMs: 1 },
    },
  });
  await bucket.checkOwner();
  expect(lines.join("\n")).toContain("the bucket cannot be reached");
  await expect(bucket.takeForRebuild()).rejects.toMatchObject({ kind: "unavailable" });
  await expect(bucket.findObject(aSegmentMeta())).rejects.toMatchObject({ kind: "unavailable" });
});

test("an object counts as the segment's when its size does", async () => {
  const { bucket } = await open(temporaryFolder(), inFolder(temporaryFolder()));
  const segment = aSegmentMeta({ byteSize: 3 });
  expect(await bucket.findObject(segment)).toBeUndefined();
  const options = { ifAbsent: false, signal };
  await bucket.store.put(segmentKey(segment), new Uint8Array(2), options);
  expect(await bucket.findObject(segment)).toBeUndefined();
  const { info } = await bucket.store.put(segmentKey(segment), new Uint8Array(3), options);
  expect(await bucket.findObject(segment)).toEqual({ version: info.version });
});
