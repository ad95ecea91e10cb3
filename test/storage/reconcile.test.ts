import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { fileError } from "../../src/drivers/files/file-error.ts";
import type { Files } from "../../src/drivers/files/files.ts";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { PintailError } from "../../src/errors.ts";
import type { SegmentMeta, WalRange } from "../../src/schema/segment-meta.ts";
import { type ReconcileParts, reconcile } from "../../src/storage/reconcile.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { MemoryCatalog } from "../support/memory-catalog.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";
import { temporaryFolder } from "./wal/wal-support.ts";

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

function setUp(wal: WalRange | undefined = { from: 0, to: 1000 }) {
  const dir = temporaryFolder();
  const clock = { nowMs: 1_000_000 };
  const catalog = new MemoryCatalog(() => clock.nowMs);
  const fail: { list?: string; unlink?: string } = {};
  const real = nodeFiles();
  const denied = (file: string) =>
    fileError("use", file, Object.assign(new Error("denied"), { code: "EACCES" }));
  const files: Files = {
    ...real,
    list: async (folder) => {
      if (path.basename(folder) === fail.list) throw denied(folder);
      return real.list(folder);
    },
    unlink: async (file) => {
      if (path.basename(file) === fail.unlink) throw denied(file);
      return real.unlink(file);
    },
  };
  let serial = 0;
  /** Writes a segment's file; the catalog does not know it yet. */
  const write = (changes: Partial<SegmentMeta>): SegmentMeta => {
    const id = `01H${String(++serial).padStart(23, "0")}`;
    const sketch = { id, tenant: "acme", replaces: [], walRange: undefined, ...changes };
    fs.mkdirSync(path.join(dir, sketch.tenant), { recursive: true });
    const json = JSON.stringify(sketch);
    fs.writeFileSync(path.join(dir, sketch.tenant, `${id}.parquet`), json);
    return aSegmentMeta({ ...sketch, byteSize: json.length });
  };
  const run = (findObject?: ReconcileParts["findObject"]) =>
    reconcile({
      files,
      segmentDir: dir,
      readMeta,
      catalog,
      walRange: wal,
      findObject,
      log: silentLogger,
    });
  const names = (tenant = "acme") => fs.readdirSync(path.join(dir, tenant)).sort();
  const remove = ({ tenant, id }: SegmentMeta) =>
    fs.unlinkSync(path.join(dir, tenant, `${id}.parquet`));
  return { dir, clock, catalog, fail, write, run, names, remove };
}

const NOTHING = { orphans: 0, putAside: 0, lost: 0, redone: 0, found: 0 };
const file = ({ id }: SegmentMeta) => `${id}.parquet`;

test("nothing to do: committed segments, removed ones and other files stay", async () => {
  const { dir, catalog, clock, write, run, names } = setUp();
  const [kept, gone] = [write({}), write({})];
  await catalog.commit({ add: [kept, gone] });
  await catalog.commit({ remove: [gone.id] });
  clock.nowMs -= 500_000;
  fs.writeFileSync(path.join(dir, "acme", `${file(kept)}.corrupt`), "");
  fs.writeFileSync(path.join(dir, "acme", "note.txt"), "");
  fs.mkdirSync(path.join(dir, "@pintail"));
  fs.writeFileSync(path.join(dir, "@pintail", "01HCCCCCCCCCCCCCCCCCCCCCCC.parquet"), "");
  const before = names();
  expect(await run()).toEqual(NOTHING);
  expect(names()).toEqual(before);
  expect(names("@pintail")).toHaveLength(1);
});

test("what a crash left behind is deleted: cuts and L1 to be made again, and what stands for known", async () => {
  const { dir, catalog, write, run, names } = setUp();
  const l0 = write({ level: 0, walRange: { from: 100, to: 200 } });
  const merged = write({ level: 2 });
  await catalog.commit({ add: [l0, merged], cutTo: 200, releasedTo: 100 });
  write({ level: 0, walRange: { from: 200, to: 300 } });
  write({ level: 1, walRange: { from: 100, to: 200 }, replaces: [l0.id] });
  write({ level: 3, replaces: [merged.id] });
  fs.writeFileSync(path.join(dir, "acme", "01H.parquet.tmp-1-x"), "half");
  expect(await run()).toEqual({ ...NOTHING, orphans: 4 });
  expect(names()).toEqual([file(l0), file(merged)].sort());
});

test("a file that may be the only copy is put aside: the catalog may come from a backup", async () => {
  const { catalog, write, run, names } = setUp({ from: 500, to: 1000 });
  await catalog.commit({ cutTo: 200, releasedTo: 100 });
  const files = [
    write({ level: 0, walRange: { from: 200, to: 300 } }),
    write({ level: 0, walRange: { from: 0, to: 100 } }),
    write({ level: 1, walRange: { from: 100, to: 600 } }),
    write({ level: 2, replaces: ["01HAAAAAAAAAAAAAAAAAAAAAAA"] }),
    write({ level: 2 }),
  ];
  expect(await run()).toEqual({ ...NOTHING, putAside: files.length });
  expect(names()).toEqual(files.map((meta) => `${file(meta)}.orphan`).sort());
  expect(await run()).toEqual(NOTHING);
});

test("a file that is no segment is put aside; one that cannot be deleted stays", async () => {
  const { dir, fail, write, run, names } = setUp();
  fs.mkdirSync(path.join(dir, "acme"));
  fs.writeFileSync(path.join(dir, "acme", "01HBBBBBBBBBBBBBBBBBBBBBBB.parquet"), "no");
  const stuck = write({ level: 0, walRange: { from: 0, to: 100 } });
  fail.unlink = file(stuck);
  expect(await run()).toEqual({ ...NOTHING, putAside: 1 });
  expect(names()).toEqual([file(stuck), "01HBBBBBBBBBBBBBBBBBBBBBBB.parquet.orphan"].sort());
});

test("a folder that cannot be read is passed over, unless segments would count as lost", async () => {
  const { dir, catalog, fail, write, run } = setUp();
  fs.mkdirSync(path.join(dir, "lost+found"));
  fail.list = "lost+found";
  expect(await run()).toEqual(NOTHING);
  const kept = write({ level: 1 });
  await catalog.commit({ add: [kept] });
  fail.list = "acme";
  await expect(run()).rejects.toThrow(/acme/);
  expect(catalog.segment(kept.id)).toBeDefined();
});

test("a lost file of level 1 and above is dropped from the catalog", async () => {
  const { catalog, write, run, remove } = setUp();
  const [kept, lost] = [write({}), write({})];
  await catalog.commit({ add: [kept, lost] });
  remove(lost);
  expect(await run()).toEqual({ ...NOTHING, lost: 1 });
  expect(catalog.segments("acme").map((s) => s.id)).toEqual([kept.id]);
});

test("a lost or short L0 file has all cuts made again from the WAL", async () => {
  const { catalog, write, run, remove } = setUp();
  const a = write({ level: 0, walRange: { from: 100, to: 200 } });
  const b = write({ level: 0, walRange: { from: 200, to: 300 } });
  const l1 = write({ level: 1, walRange: { from: 0, to: 100 } });
  await catalog.commit({ add: [a, b, l1], cutTo: 300, releasedTo: 100 });
  remove(a);
  expect(await run()).toEqual({ ...NOTHING, redone: 2 });
  expect(catalog.segments("acme").map((s) => s.id)).toEqual([l1.id]);
  expect(catalog.walPositions()).toEqual({ cutTo: 100, releasedTo: 100 });
});

test("without the WAL only the lost L0 goes, not those that are there", async () => {
  const { catalog, write, run, remove } = setUp({ from: 250, to: 1000 });
  const a = write({ level: 0, walRange: { from: 100, to: 200 } });
  const b = write({ level: 0, walRange: { from: 200, to: 300 } });
  await catalog.commit({ add: [a, b], cutTo: 300, releasedTo: 100 });
  remove(a);
  expect(await run()).toEqual({ ...NOTHING, lost: 1 });
  expect(catalog.segments("acme").map((s) => s.id)).toEqual([b.id]);
  expect(catalog.walPositions()).toEqual({ cutTo: 300, releasedTo: 100 });
});

test("a missing file of a segment that the bucket has is no loss, also when only the bucket knows", async () => {
  const { catalog, write, run, remove } = setUp();
  const [cached, uploaded, lost] = [write({}), write({}), write({})];
  await catalog.commit({ add: [{ ...cached, object: { version: "1" } }, uploaded, lost] });
  for (const segment of [cached, uploaded, lost]) remove(segment);
  const away = async () => {
    throw new PintailError("unavailable", "away");
  };
  expect(await run(away)).toEqual(NOTHING);
  expect(catalog.segments("acme")).toHaveLength(3);
  const find = async ({ id }: Pick<SegmentMeta, "id">) =>
    id === uploaded.id ? { version: "2" } : undefined;
  expect(await run(find)).toEqual({ ...NOTHING, lost: 1, found: 1 });
  expect(catalog.segment(uploaded.id)?.object).toEqual({ version: "2" });
  expect(catalog.segment(cached.id)?.object).toEqual({ version: "1" });
  expect(catalog.segment(lost.id)).toBeUndefined();
});
