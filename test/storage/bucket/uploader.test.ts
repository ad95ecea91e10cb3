import fs from "node:fs";
import { expect, test } from "vitest";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { SpillGate } from "../../../src/storage/bucket/spill-gate.ts";
import { HOUR_MS, setUpBucket, signal, switchable } from "./bucket-support.ts";

test("a large segment goes at once, a small one when it was not merged in time, an L0 never", async () => {
  const bucket = await setUpBucket();
  const large = await bucket.add(10);
  const small = await bucket.add(9);
  const l0 = await bucket.add(20, { level: 0 });
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.stored).toEqual([large.id]);
  expect(await bucket.isStored(large)).toBe(true);
  bucket.clock.wallMs += HOUR_MS;
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.stored).toEqual([large.id, small.id]);
  expect(bucket.catalog.segment(small.id)?.object).toEqual({
    version: (await bucket.plain.head(segmentKey(small), { signal }))?.version,
  });
  expect(await bucket.plain.head(segmentKey(l0), { signal })).toBeUndefined();
});

test("small segments do not wait for a merge when much waits already", async () => {
  const size = (await (await setUpBucket()).add(5)).byteSize;
  const bucket = await setUpBucket({ hurryBytes: 2.5 * size });
  const segments = [await bucket.add(5), await bucket.add(5)];
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.stored).toEqual([]);
  segments.push(await bucket.add(5));
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.stored.toSorted()).toEqual(
    segments
      .slice(0, 2)
      .map(({ id }) => id)
      .sort(),
  );
});

test("two at a time, the oldest first, and nothing is listed", async () => {
  const bucket = await setUpBucket();
  const segments: SegmentMeta[] = [];
  for (const age of [3, 1, 5, 2, 4]) {
    segments.push(await bucket.add(10, { createdUnixMs: bucket.clock.wallMs - age * 1000 }));
  }
  const oldestFirst = [5, 4, 3, 2, 1].map((age) => segments[[3, 1, 5, 2, 4].indexOf(age)]!.id);
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.stored.toSorted()).toEqual(oldestFirst.slice(0, 2).sort());
  await bucket.upload();
  expect(bucket.stored.slice(2, 4).toSorted()).toEqual(oldestFirst.slice(2, 4).sort());
  expect(bucket.stored).toHaveLength(5);
  expect(bucket.requests.filter(({ operation }) => operation === "list")).toEqual([]);
});

test("an upload whose commit was lost is recognised, and not sent again", async () => {
  const bucket = await setUpBucket();
  const segment = await bucket.add(10);
  const body = fs.readFileSync(bucket.fileOf(segment));
  await bucket.plain.put(segmentKey(segment), body, { ifAbsent: true, signal });
  await bucket.upload();
  expect(bucket.stored).toEqual([segment.id]);
  expect(bucket.counts).toMatchObject({ uploaded: 1, failed: 0 });
  expect(bucket.lines.join("\n")).not.toContain("written over");
});

test("something else under a segment's name is written over and named", async () => {
  const bucket = await setUpBucket();
  const segment = await bucket.add(10);
  const body = fs.readFileSync(bucket.fileOf(segment));
  body[body.length - 100] = (body[body.length - 100] as number) ^ 1;
  await bucket.plain.put(segmentKey(segment), body, { ifAbsent: true, signal });
  await bucket.upload();
  expect(await bucket.isStored(segment)).toBe(true);
  expect(bucket.lines.join("\n")).toContain("written over");
});

test("a segment that left the catalog while it was sent is deleted again", async () => {
  const { state, wrap } = switchable();
  const bucket = await setUpBucket({ wrap });
  const segment = await bucket.add(10);
  state.afterPut = async (key) => {
    if (key === segmentKey(segment)) await bucket.catalog.commit({ remove: [segment.id] });
  };
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.stored).toEqual([]);
  expect(await bucket.plain.head(segmentKey(segment), { signal })).toBeUndefined();

  // Also when it cannot be deleted just then.
  const other = await bucket.add(10);
  state.afterPut = async (key) => {
    if (key !== segmentKey(other)) return;
    await bucket.catalog.commit({ remove: [other.id] });
    state.away = true;
  };
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(await bucket.plain.head(segmentKey(other), { signal })).toBeDefined();
  state.away = false;
  bucket.clock.monotonicMs += 60_000;
  await bucket.remover.retryLate();
  expect(await bucket.plain.head(segmentKey(other), { signal })).toBeUndefined();
});

test("one that fails does not hold the others, and is tried again later each time", async () => {
  const { state, wrap } = switchable();
  const bucket = await setUpBucket({ wrap });
  const stuck = await bucket.add(10, { createdUnixMs: 1 });
  const others = [await bucket.add(10), await bucket.add(10), await bucket.add(10)];
  state.failKeys.add(segmentKey(stuck));
  for (let i = 0; i < 4; i++) {
    bucket.uploader.tick();
    await bucket.uploader.idle();
  }
  expect(bucket.stored.toSorted()).toEqual(others.map(({ id }) => id).sort());
  expect(bucket.counts.failed).toBe(1);
  bucket.clock.monotonicMs += 5000;
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.counts.failed).toBe(2);
  bucket.clock.monotonicMs += 9999;
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.counts.failed).toBe(2);
  state.failKeys.clear();
  await bucket.upload();
  expect(bucket.stored).toContain(stuck.id);
});

test("a missing or damaged local file is named, does not count as backlog, and hinders nobody", async () => {
  const bucket = await setUpBucket();
  const [gone, short, other, flipped, good] = [
    await bucket.add(10),
    await bucket.add(10),
    await bucket.add(10),
    await bucket.add(10),
    await bucket.add(10),
  ];
  fs.unlinkSync(bucket.fileOf(gone));
  fs.truncateSync(bucket.fileOf(short), 500);
  const bytes = fs.readFileSync(bucket.fileOf(other));
  bytes.fill(0, bytes.length - 2000);
  fs.writeFileSync(bucket.fileOf(other), bytes);
  const one = fs.readFileSync(bucket.fileOf(flipped));
  one[200]! ^= 1;
  fs.writeFileSync(bucket.fileOf(flipped), one);
  await bucket.upload();
  expect(bucket.stored).toEqual([good.id]);
  expect(bucket.uploader.badCount).toBe(4);
  for (const { id } of [gone, short, other, flipped]) {
    expect(bucket.lines.join("\n")).toContain(`segment=${id}`);
    expect(bucket.catalog.segment(id)?.object).toBeUndefined();
  }
  expect(bucket.backlog.waiting((id) => bucket.uploader.isBad(id)).segments).toBe(0);
  expect(bucket.health.reachable).toBe(true);
});

test("while the bucket is away it is said once, pushes are refused at the bound, and all is caught up", async () => {
  const { state, wrap } = switchable();
  const bucket = await setUpBucket({ wrap });
  const first = await bucket.add(10);
  let refused = 0;
  const gate = new SpillGate({
    maxSpillBytes: 2.5 * first.byteSize,
    waitingBytes: () => bucket.backlog.waiting((id) => bucket.uploader.isBad(id)).bytes,
    log: bucket.log,
    onRefused: () => void refused++,
  });
  state.away = true;
  const segments = [first];
  for (let i = 0; i < 20; i++) {
    bucket.clock.monotonicMs += 10_000;
    bucket.uploader.tick();
    await bucket.uploader.idle();
    gate.update();
    if (gate.refusal() === undefined && segments.length < 10) segments.push(await bucket.add(10));
  }
  expect(segments).toHaveLength(3);
  expect(refused).toBeGreaterThan(10);
  expect(gate.refusal()).toMatchObject({ kind: "unavailable", retryAfterMs: 5000 });
  expect(bucket.lines.filter((line) => line.includes("the bucket is away"))).toHaveLength(1);
  expect(bucket.lines.filter((line) => line.includes("pushes are refused"))).toHaveLength(1);
  expect(bucket.health.reachable).toBe(false);

  state.away = false;
  await bucket.upload();
  gate.update();
  expect(gate.refusal()).toBeUndefined();
  expect(bucket.lines.filter((line) => line.includes("the bucket is back"))).toHaveLength(1);
  for (const segment of segments) expect(await bucket.isStored(segment)).toBe(true);
  expect(bucket.stored.toSorted()).toEqual(segments.map(({ id }) => id).sort());
});

test("stopping gives uploads up at once", async () => {
  const { state, wrap } = switchable();
  const bucket = await setUpBucket({ wrap });
  await bucket.add(10);
  const started = Promise.withResolvers<void>();
  state.afterPut = async () => started.resolve();
  bucket.uploader.tick();
  await bucket.uploader.close();
  bucket.uploader.tick();
  await bucket.uploader.idle();
  expect(bucket.stored.length).toBeLessThanOrEqual(1);
});
