import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { SILENT_AFTER_MS } from "../../../src/storage/bucket/bucket-owner.ts";
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
  expect(await second.owner.take({ evenIfAlive: true })).toMatchObject({ catalog: "ours" });
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

test("the owner renews its record once a minute, and not again at once after a restart", async () => {
  const bucket = await setUpBucket();
  const { clock, owner, plain } = bucket;
  const began = clock.wallMs;
  const puts = () => bucket.requests.filter(({ operation }) => operation === "put").length;
  await owner.check();
  for (let second = 0; second < 120; second++) {
    clock.wallMs += 1000;
    clock.monotonicMs += 1000;
    expect(await owner.check()).toBe(true);
  }
  expect(await owner.read()).toEqual({
    ...{ catalog: "ours", sinceUnixMs: began, renewedUnixMs: began + 120_000 },
  });
  const before = puts();
  expect(before).toBe(3);
  const restarted = await setUpBucket({ store: plain });
  restarted.clock.wallMs = clock.wallMs + 5000;
  expect(await restarted.owner.check()).toBe(true);
  expect((await owner.read())?.renewedUnixMs).toBe(began + 120_000);
  expect(puts()).toBe(before);
});

test("nobody takes a bucket whose owner is alive, unless that is what was asked for", async () => {
  const first = await setUpBucket();
  await first.owner.check();
  const second = await setUpBucket({ store: first.plain, catalogId: "theirs" });
  second.clock.wallMs = first.clock.wallMs + SILENT_AFTER_MS - 1;
  const refused = second.owner.take();
  await expect(refused).rejects.toMatchObject({ kind: "unavailable", retryAfterMs: 1 });
  await expect(refused).rejects.toThrow(
    /catalog ours\), which was alive 300 s ago; .* prefix of its own.*'pintail catalog rebuild'/,
  );
  // Its clock may be wrong: that is no silence.
  second.clock.wallMs = first.clock.wallMs - 3_600_000;
  await expect(second.owner.take()).rejects.toThrow("alive 3600 s ahead of the clock here");
  expect((await first.owner.read())?.catalog).toBe("ours");
  second.clock.wallMs = first.clock.wallMs + SILENT_AFTER_MS;
  expect(await second.owner.take()).toMatchObject({ catalog: "ours" });
  await first.owner.take({ evenIfAlive: true });
  expect((await second.owner.read())?.catalog).toBe("ours");
});

test("an owner of before records were renewed counts from when it took the bucket", async () => {
  const bucket = await setUpBucket();
  const sinceUnixMs = bucket.clock.wallMs - SILENT_AFTER_MS;
  const old = JSON.stringify({ catalog: "old", sinceUnixMs });
  await bucket.plain.put(OWNER_KEY, text(old), { ifAbsent: false, signal });
  expect(await bucket.owner.take()).toMatchObject({ catalog: "old", renewedUnixMs: sinceUnixMs });
});
