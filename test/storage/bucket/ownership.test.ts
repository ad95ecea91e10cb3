import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { catalogId } from "../../../src/storage/bucket/catalog-id.ts";
import { OWNER_KEY, segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { temporaryFolder } from "../wal/wal-support.ts";
import { setUpBucket, signal } from "./bucket-support.ts";

const text = (value: string) => new TextEncoder().encode(value);

test("a bucket without an owner becomes ours with the first upload; it is asked once a minute", async () => {
  const bucket = await setUpBucket();
  for (let i = 0; i < 6; i++) await bucket.add(10);
  for (let i = 0; i < 3; i++) {
    bucket.uploader.tick();
    await bucket.uploader.idle();
  }
  expect(bucket.stored).toHaveLength(6);
  expect((await bucket.owner.read())?.catalog).toBe("ours");
  const gets = bucket.requests.filter(({ operation }) => operation === "get");
  expect(gets).toHaveLength(2);
});

test("of two nodes on one bucket the one that is not the owner neither uploads nor deletes nor sweeps", async () => {
  const first = await setUpBucket();
  const stored = await first.add(10);
  await first.upload();
  const second = await setUpBucket({ dir: first.dir, catalogId: "theirs" });
  const foreign = await second.add(10, { tenant: "other" });
  await second.upload();
  expect(second.stored).toEqual([]);
  expect(second.owner.owned).toBe(false);
  expect(second.lines.filter((line) => line.includes("belongs to another"))).toHaveLength(1);
  await second.catalog.commit({ add: [stored], remove: [foreign.id] });
  await second.catalog.commit({ remove: [stored.id] });
  second.remover.mayExist(stored.id);
  await expect(second.remover.removeObject(stored)).rejects.toMatchObject({
    kind: "unavailable",
  });
  await second.sweep.run();
  expect(second.counts.sweepFailed).toBe(1);
  expect(await first.plain.head(segmentKey(stored), { signal })).toBeDefined();

  // The other takes it over: noticed within a minute.
  expect(await second.owner.take()).toMatchObject({ catalog: "ours" });
  await first.add(10);
  first.clock.monotonicMs += 60_000;
  first.uploader.tick();
  await first.uploader.idle();
  expect(first.owner.owned).toBe(false);
  expect(first.stored).toHaveLength(1);
});

test("an owner that cannot be read is nobody's leave to write", async () => {
  const bucket = await setUpBucket();
  await bucket.plain.put(OWNER_KEY, text("{"), { ifAbsent: false, signal });
  await bucket.add(10);
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.stored).toEqual([]);
  expect(bucket.owner.owned).toBe(false);
});

test("two that take a bucket at the same moment do not both become its owner", async () => {
  const one = await setUpBucket();
  const two = await setUpBucket({ store: one.plain, catalogId: "theirs" });
  const owned = await Promise.all([one.owner.check(), two.owner.check()]);
  expect(owned.filter(Boolean)).toHaveLength(1);
});

test("a data folder keeps its catalog's id", async () => {
  const dir = temporaryFolder();
  const id = await catalogId(nodeFiles(), dir);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(await catalogId(nodeFiles(), dir)).toBe(id);
});
