import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { chooseLive, rebuildCatalog } from "../../../src/storage/catalog/rebuild.ts";
import { readSegmentMeta } from "../../../src/storage/segments/segment-footer.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";
import { temporaryFolder } from "../wal/wal-support.ts";
import { HOUR_MS, setUpBucket, signal } from "./bucket-support.ts";

type Bucket = Awaited<ReturnType<typeof setUpBucket>>;

async function rebuild(bucket: Bucket, segmentDir = bucket.segmentDir) {
  const bad: string[] = [];
  const progress: (readonly [number, number])[] = [];
  const result = await rebuildCatalog(
    {
      files: nodeFiles(),
      segmentDir,
      readMeta: readSegmentMeta,
      walRange: undefined,
      bucket: {
        store: bucket.plain,
        signal,
        readRedactions: async () => [],
        onBadObject: (key) => void bad.push(key),
        onProgress: (listed, read) => void progress.push([listed, read]),
      },
    },
    { cutTo: 0, releasedTo: 0 },
  );
  const segments: SegmentMeta[] = [];
  for await (const batch of result.segments) segments.push(...batch);
  const byId = (a: SegmentMeta, b: SegmentMeta) => (a.id < b.id ? -1 : 1);
  return { ...result, segments: segments.sort(byId), bad, progress };
}

const all = ({ catalog }: Bucket) =>
  catalog
    .tenants()
    .flatMap((tenant) => catalog.segments(tenant))
    .sort((a, b) => (a.id < b.id ? -1 : 1));

async function filled(): Promise<Bucket> {
  const bucket = await setUpBucket();
  for (let i = 0; i < 20; i++) {
    await bucket.add(3, { tenant: i % 2 === 0 ? "acme" : "*odd*" });
  }
  bucket.clock.wallMs += HOUR_MS;
  await bucket.upload();
  expect(bucket.stored).toHaveLength(20);
  return bucket;
}

test("an empty node knows from the bucket alone what the catalog knew", async () => {
  const bucket = await filled();
  const before = bucket.requests.length;
  const { segments, removed, bad, progress } = await rebuild(bucket, temporaryFolder());
  expect(segments).toEqual(all(bucket));
  expect({ removed, bad }).toEqual({ removed: [], bad: [] });
  expect(progress.at(-1)).toEqual([20, 20]);
  // One list and one read of each footer, none of a whole object.
  const requests = bucket.requests.slice(before);
  expect(requests.filter(({ operation }) => operation === "list")).toHaveLength(1);
  expect(requests.filter(({ operation }) => operation === "get")).toHaveLength(20);
});

test("local files and the bucket's are taken together, and what is in both is read on the disk", async () => {
  const bucket = await filled();
  const [first, second] = all(bucket) as [SegmentMeta, SegmentMeta];
  fs.unlinkSync(bucket.fileOf(first));
  // Damaged on the disk, whole in the bucket.
  fs.truncateSync(bucket.fileOf(second), 20);
  const local = await bucket.add(3);
  const merged = await bucket.add(6, { level: 2, replaces: [all(bucket)[3]!.id] });
  const before = bucket.requests.length;
  const { segments, removed } = await rebuild(bucket);
  expect(segments).toEqual(all(bucket));
  expect(removed.map(({ id }) => id)).toEqual(merged.replaces);
  expect(segments.find(({ id }) => id === local.id)?.object).toBeUndefined();
  const gets = bucket.requests.slice(before).filter(({ operation }) => operation === "get");
  expect(gets).toHaveLength(2);
});

test("bad objects are named and passed over, and stay", async () => {
  const bucket = await filled();
  const { plain } = bucket;
  const [good, empty, cut] = all(bucket) as [SegmentMeta, SegmentMeta, SegmentMeta];
  const put = (key: string, bytes: Uint8Array) =>
    plain.put(key, bytes, { ifAbsent: false, signal });
  const { bytes } = await plain.get(segmentKey(good), { maxBytes: 1e8, signal });
  const copy = segmentKey({ tenant: "acme", id: `01H${"0".repeat(23)}` });
  await put(copy, bytes);
  await put(segmentKey(empty), new Uint8Array(0));
  await put(segmentKey(cut), bytes.subarray(0, 1000));
  await put("segments/readme.txt", bytes);
  const hostile = bytes.slice();
  new DataView(hostile.buffer).setUint32(hostile.length - 8, 0x7fffffff, true);
  const huge = segmentKey({ tenant: "acme", id: `01H${"1".repeat(23)}` });
  await put(huge, hostile);
  const { segments, bad } = await rebuild(bucket, path.join(temporaryFolder(), "no"));
  expect(bad.sort()).toEqual(
    [copy, huge, segmentKey(empty), segmentKey(cut), "segments/readme.txt"].sort(),
  );
  expect(segments).toHaveLength(18);
  expect(await plain.head(copy, { signal })).toBeDefined();
});

test("a WAL goes on behind what the bucket's segments come from", () => {
  const l1 = (id: string, from: number, to: number, changes: Partial<SegmentMeta> = {}) =>
    aSegmentMeta({ id, level: 1, walRange: { from, to }, ...changes });
  const object = { version: "1" };
  const found = [l1("a", 0, 50, { object }), l1("b", 50, 90, { object })];
  expect(chooseLive(found, { cutTo: 0, releasedTo: 0 }, undefined).walPositions).toEqual({
    cutTo: 90,
    releasedTo: 90,
  });
});

test("an L1 that the bucket has was committed: its L0 are not taken instead", () => {
  const l0 = aSegmentMeta({ id: "l0", level: 0, walRange: { from: 0, to: 50 } });
  const l1 = aSegmentMeta({ id: "l1", walRange: { from: 0, to: 50 }, replaces: ["l0"] });
  const hint = { cutTo: 0, releasedTo: 0 };
  const ids = (found: readonly SegmentMeta[]) =>
    chooseLive(found, hint, undefined).live.map(({ id }) => id);
  expect(ids([l0, l1])).toEqual(["l0"]);
  expect(ids([l0, { ...l1, object: { version: "1" } }])).toEqual(["l1"]);
});
