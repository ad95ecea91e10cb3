import fs from "node:fs";
import { expect, test } from "vitest";
import { segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { HOUR_MS, setUpBucket, signal, switchable } from "./bucket-support.ts";

test("a removed segment leaves disk, cache and bucket; of one that was never stored nothing is asked", async () => {
  const bucket = await setUpBucket();
  const segment = await bucket.add(10);
  await bucket.upload();
  const l0 = await bucket.add(10, { level: 0 });
  await bucket.catalog.commit({ remove: [segment.id, l0.id] });
  await bucket.remover.remove(segment);
  const before = bucket.requests.length;
  await bucket.remover.remove(l0);
  expect(bucket.requests.length).toBe(before);
  expect(await bucket.plain.head(segmentKey(segment), { signal })).toBeUndefined();
  expect(bucket.forgotten).toEqual([segment.id, l0.id]);
  for (const one of [segment, l0]) expect(fs.existsSync(bucket.fileOf(one))).toBe(false);
});

test("what a segment stands for is held until the bucket has that segment", async () => {
  const bucket = await setUpBucket();
  const parts = [await bucket.add(10), await bucket.add(10)];
  await bucket.upload();
  const merged = await bucket.add(20, { level: 2, replaces: parts.map(({ id }) => id) });
  for (const one of parts) expect(bucket.remover.isHeld(one)).toBe(true);
  await bucket.upload();
  expect(bucket.stored).toContain(merged.id);
  for (const one of parts) expect(bucket.remover.isHeld(one)).toBe(false);
});

test("the sweep deletes late uploads and what stored segments stand for, and reports the rest", async () => {
  const bucket = await setUpBucket();
  const { plain, catalog } = bucket;
  const put = (key: string, text = "x") =>
    plain.put(key, new TextEncoder().encode(text), { ifAbsent: false, signal });
  const [late, part, kept, missing, changed, waiting] = [
    await bucket.add(10),
    await bucket.add(10),
    await bucket.add(10),
    await bucket.add(10),
    await bucket.add(10),
    await bucket.add(10),
  ];
  await bucket.upload();
  await catalog.commit({ remove: [late.id] });
  await bucket.remover.remove(late);
  await catalog.forget([late.id]);
  await put(segmentKey(late));
  await bucket.add(10, { level: 2, replaces: [part.id] });
  await bucket.upload();
  await catalog.forget([part.id]);
  await catalog.commit({ remove: [waiting.id] });
  await plain.delete(segmentKey(missing), { signal });
  await put(segmentKey(changed), "another");
  await put("segments/acme/note.txt");
  await put(`segments/other/${"0".repeat(26)}.parquet`);
  // Young ones may be on their way.
  await bucket.sweep.run();
  expect(bucket.sweeps).toEqual([
    expect.objectContaining({ deleted: 2, unknown: 0, missing: 1, different: 1 }),
  ]);
  bucket.clock.wallMs += 25 * HOUR_MS;
  await bucket.sweep.run();
  expect(bucket.sweeps[1]).toMatchObject({ deleted: 0, unknown: 2, missing: 1, different: 1 });
  expect(await bucket.isStored(kept)).toBe(true);
  for (const one of [late, part]) {
    expect(await plain.head(segmentKey(one), { signal })).toBeUndefined();
  }
  // A query may still read it: its time comes with the grace period.
  expect(await plain.head(segmentKey(waiting), { signal })).toBeDefined();
  expect(await plain.head("segments/acme/note.txt", { signal })).toBeDefined();
  const log = bucket.lines.join("\n");
  for (const name of [segmentKey(missing), segmentKey(changed), "note.txt"]) {
    expect(log).toContain(name);
  }
});

test("what was deleted is known after a restart, for two days: a late upload goes, and is not reported", async () => {
  const first = await setUpBucket();
  const [late, later] = [await first.add(10), await first.add(10)];
  await first.upload();
  await first.catalog.commit({ remove: [late.id, later.id] });
  for (const one of [late, later]) await first.remover.remove(one);
  await first.removed.save();
  await first.catalog.forget([late.id, later.id]);

  const put = (segment: typeof late) =>
    first.plain.put(segmentKey(segment), new Uint8Array(1), { ifAbsent: false, signal });
  await put(late);
  const second = await setUpBucket({ dir: first.dir, store: first.plain });
  second.clock.wallMs += 25 * HOUR_MS;
  await second.sweep.run();
  expect(second.sweeps).toEqual([expect.objectContaining({ deleted: 1, unknown: 0 })]);
  expect(await first.plain.head(segmentKey(late), { signal })).toBeUndefined();
  await second.removed.save();

  await put(later);
  const third = await setUpBucket({ dir: first.dir, store: first.plain });
  third.clock.wallMs += 49 * HOUR_MS;
  // Since the next deletion what is older than two days is dropped.
  third.removed.add("0".repeat(26));
  expect(third.removed.has(later.id)).toBe(false);
  await third.sweep.run();
  expect(third.sweeps).toEqual([expect.objectContaining({ deleted: 0, unknown: 1 })]);
});

test("a late upload that could not be deleted is left to the sweep of the next process", async () => {
  const { state, wrap } = switchable();
  const first = await setUpBucket({ wrap });
  const late = await first.add(10);
  await first.upload();
  await first.catalog.commit({ remove: [late.id] });
  await first.catalog.forget([late.id]);
  state.away = true;
  await expect(first.remover.removeLate(late)).rejects.toMatchObject({ kind: "unavailable" });
  await first.removed.save();
  const second = await setUpBucket({ dir: first.dir, store: first.plain });
  await second.sweep.run();
  expect(second.sweeps).toEqual([expect.objectContaining({ deleted: 1 })]);
  expect(await first.plain.head(segmentKey(late), { signal })).toBeUndefined();
});

test("a damaged list of what was deleted is named and passed over; a long one is bounded", async () => {
  const bucket = await setUpBucket();
  const reopened = async (text: string) => {
    fs.writeFileSync(bucket.removedPath, text);
    return await setUpBucket({ dir: bucket.dir, store: bucket.plain });
  };
  const id = "0".repeat(26);
  for (const bad of ["", "{", "{}", "[1]", `[["x", 1]]`, `[["${id}", null]]`]) {
    const { removed, lines } = await reopened(bad);
    expect(removed.has(id)).toBe(false);
    expect(lines.filter((line) => line.includes("not read"))).toHaveLength(1);
  }
  const { removed } = await reopened(JSON.stringify([[id, bucket.clock.wallMs]]));
  expect(removed.has(id)).toBe(true);
  for (let n = 1; n <= 50_000; n++) removed.add(String(n).padStart(26, "0"));
  expect(removed.has(id)).toBe(false);
  expect(removed.has("1".padStart(26, "0"))).toBe(true);
});
