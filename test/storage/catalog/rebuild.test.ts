import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { PintailError } from "../../../src/errors.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { chooseLive, rebuildCatalog } from "../../../src/storage/catalog/rebuild.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";
import { temporaryFolder } from "../wal/wal-support.ts";

const NO_HINT = { cutTo: 0, releasedTo: 0 };

/** A segment file of these tests is its description as JSON. */
const readMeta = async (
  readAt: (offset: number, length: number) => Promise<Uint8Array>,
  fileSize: number,
): Promise<SegmentMeta> => {
  try {
    const value = JSON.parse(new TextDecoder().decode(await readAt(0, fileSize)));
    return aSegmentMeta({ ...value, walRange: value.walRange });
  } catch (cause) {
    throw new PintailError("corrupt", "no segment", { cause });
  }
};

type Sketch = Partial<Pick<SegmentMeta, "tenant" | "level" | "walRange" | "replaces">> & {
  id: string;
};

function write(dir: string, { tenant = "acme", ...sketch }: Sketch): void {
  fs.mkdirSync(path.join(dir, tenant), { recursive: true });
  const json = JSON.stringify({ tenant, walRange: undefined, ...sketch });
  fs.writeFileSync(path.join(dir, tenant, `${sketch.id}.parquet`), json);
}

async function rebuilt(dir: string, hint = NO_HINT) {
  const quarantined: string[] = [];
  const parts = {
    files: nodeFiles(),
    segmentDir: dir,
    readMeta,
    walRange: undefined,
    onQuarantined: (file: string) => quarantined.push(path.basename(file)),
  };
  const result = await rebuildCatalog(parts, hint);
  const ids: string[] = [];
  for await (const batch of result.segments) ids.push(...batch.map(({ id }) => id));
  return { ...result, ids: ids.sort(), quarantined };
}

test("every tenant's segments are found, replaced ones count as removed", async () => {
  const dir = temporaryFolder();
  write(dir, { id: "a", level: 0, walRange: { from: 0, to: 10 } });
  write(dir, { id: "b", level: 0, walRange: { from: 10, to: 20 } });
  write(dir, { id: "c", walRange: { from: 0, to: 20 }, replaces: ["a", "b", "deleted"] });
  write(dir, { id: "d", tenant: "other", walRange: { from: 0, to: 20 } });
  write(dir, { id: "e", tenant: "other", level: 0, walRange: { from: 20, to: 30 } });
  const result = await rebuilt(dir);
  expect(result.ids).toEqual(["c", "d", "e"]);
  expect(result.removed.map(({ id }) => id)).toEqual(["a", "b"]);
  expect(result.walPositions).toEqual({ cutTo: 30, releasedTo: 20 });
});

test("files that are no segments are put aside, others are not touched", async () => {
  const dir = temporaryFolder();
  write(dir, { id: "good" });
  fs.writeFileSync(path.join(dir, "acme", "bad.parquet"), "no");
  fs.writeFileSync(path.join(dir, "acme", "empty.parquet"), "");
  fs.writeFileSync(path.join(dir, "acme", "note.txt"), "no");
  fs.writeFileSync(path.join(dir, "catalog.duckdb"), "no");
  fs.copyFileSync(path.join(dir, "acme", "good.parquet"), path.join(dir, "acme", "copy.parquet"));
  const result = await rebuilt(dir);
  expect(result.ids).toEqual(["good"]);
  expect(result.quarantined.sort()).toEqual(["bad.parquet", "copy.parquet", "empty.parquet"]);
  expect(fs.readdirSync(path.join(dir, "acme")).sort()).toEqual([
    "bad.parquet.corrupt",
    "copy.parquet.corrupt",
    "empty.parquet.corrupt",
    "good.parquet",
    "note.txt",
  ]);
});

test("a missing folder gives an empty catalog with the positions that are certain", async () => {
  const result = await rebuilt(path.join(temporaryFolder(), "no"), { cutTo: 9, releasedTo: 5 });
  expect(result.ids).toEqual([]);
  expect(result.walPositions).toEqual({ cutTo: 9, releasedTo: 5 });
});

const cut = (id: string, from: number, to: number, changes: Partial<SegmentMeta> = {}) =>
  aSegmentMeta({ id, level: 0, walRange: { from, to }, ...changes });
const ids = (live: readonly { id: string }[]) => live.map(({ id }) => id).sort();

test("the last cut is made again when the WAL still has it", () => {
  const found = [cut("a", 0, 10), cut("b", 10, 20), cut("c", 10, 20, { tenant: "other" })];
  const again = chooseLive(found, NO_HINT, { from: 0, to: 25 });
  expect(ids(again.live)).toEqual(["a"]);
  expect(again.walPositions).toEqual({ cutTo: 10, releasedTo: 0 });
  const withoutWal = chooseLive(found, NO_HINT, undefined);
  expect(ids(withoutWal.live)).toEqual(["a", "b", "c"]);
  expect(withoutWal.walPositions.cutTo).toBe(20);
  const known = chooseLive(found, { cutTo: 20, releasedTo: 0 }, { from: 0, to: 25 });
  expect(ids(known.live)).toEqual(["a", "b", "c"]);
});

test("a cut within an L1's range, and an older cut that overlaps another, are out", () => {
  const found = [
    cut("orphan", 3, 5),
    aSegmentMeta({ id: "l1", level: 1, walRange: { from: 0, to: 10 } }),
    cut("older", 10, 14, { createdUnixMs: 1 }),
    cut("newer", 10, 20, { createdUnixMs: 2 }),
    cut("same1", 20, 30),
    cut("same2", 20, 30),
    cut("theirs", 3, 5, { tenant: "other" }),
  ];
  expect(ids(chooseLive(found, NO_HINT, undefined).live)).toEqual([
    "l1",
    "newer",
    "same1",
    "same2",
    "theirs",
  ]);
});

test("the segments of an L1 job that may be half done give way to the L0 that are all there", () => {
  const l1 = (id: string, replaces: string[], changes: Partial<SegmentMeta> = {}) =>
    aSegmentMeta({ id, level: 1, walRange: { from: 0, to: 20 }, replaces, ...changes });
  const theirs = { tenant: "other" };
  const found = [
    cut("a", 0, 10),
    cut("b", 10, 20),
    cut("c", 0, 10, theirs),
    l1("half", ["a", "b"]),
  ];
  const choose = (segments: readonly SegmentMeta[], hint = NO_HINT) =>
    chooseLive(segments, hint, undefined);
  // The crash came before the other tenant's segment, or a second one of the same tenant.
  expect(ids(choose(found).live)).toEqual(["a", "b", "c"]);
  expect(choose(found).walPositions).toEqual({ cutTo: 20, releasedTo: 0 });
  // Its commit is known, its inputs are deleted, or a merge took it: then it was complete.
  expect(ids(choose(found, { cutTo: 20, releasedTo: 20 }).live)).toEqual(["c", "half"]);
  expect(ids(choose(found.slice(1)).live)).toEqual(["c", "half"]);
  const merged = aSegmentMeta({ id: "l2", level: 2, walRange: undefined, replaces: ["half"] });
  expect(ids(choose([...found, merged]).live)).toEqual(["c", "l2"]);
});
