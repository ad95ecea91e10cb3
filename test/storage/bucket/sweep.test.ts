import fs from "node:fs";
import { expect, test } from "vitest";
import { segmentKey } from "../../../src/storage/bucket/object-keys.ts";
import { HOUR_MS, setUpBucket, signal } from "./bucket-support.ts";

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
