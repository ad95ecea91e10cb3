import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openDatabase } from "../../../src/drivers/duckdb/node-database.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import type { RebuildEvent } from "../../../src/storage/catalog/duckdb-catalog.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";
import { temporaryFolder } from "../wal/wal-support.ts";
import { catalogParts, openTestCatalog } from "./catalog-support.ts";

function rebuildOf(segments: readonly SegmentMeta[]) {
  return async () => ({
    segments: (async function* () {
      yield segments;
    })(),
    removed: [{ id: "gone", tenant: "acme" }],
    walPositions: { cutTo: 20, releasedTo: 10 },
  });
}

test.each([
  ["is not a database", (file: string) => fs.writeFileSync(file, "x".repeat(50_000))],
  ["is empty", (file: string) => fs.writeFileSync(file, "")],
  ["is cut off", (file: string) => fs.truncateSync(file, 13_000)],
  ["is missing", (file: string) => fs.rmSync(file)],
])("a catalog file that %s is rebuilt from the segments", async (_, damage) => {
  const dir = temporaryFolder();
  const first = await openTestCatalog(dir);
  await first.commit({ add: [aSegmentMeta({ id: "lost" })] });
  await first[Symbol.asyncDispose]();
  const file = path.join(dir, "catalog.duckdb");
  damage(file);
  const events: RebuildEvent[] = [];
  const segment = aSegmentMeta({ id: "found" });
  const rebuild = rebuildOf([segment]);
  const onRebuilt = (event: RebuildEvent) => events.push(event);
  const catalog = await openTestCatalog(dir, { rebuild, onRebuilt });
  expect(events).toHaveLength(1);
  expect(catalog.segments("acme")).toEqual([segment]);
  expect(catalog.walPositions()).toEqual({ cutTo: 20, releasedTo: 10 });
  expect(catalog.deletable(0)).toEqual([{ id: "gone", tenant: "acme" }]);
  await catalog[Symbol.asyncDispose]();
  const again = await openTestCatalog(dir, { onRebuilt });
  expect(again.segments("acme")).toEqual([segment]);
  expect(events).toHaveLength(1);
  await again[Symbol.asyncDispose]();
});

test("redactions survive the loss of the catalog", async () => {
  const dir = temporaryFolder();
  const first = await openTestCatalog(dir);
  const traceId = "0123456789abcdef0123456789abcdef";
  const redaction = {
    id: "01",
    tenant: "acme",
    query: "{ }",
    requestedBy: "",
    reason: "",
    createdUnixMs: 1,
    traceCount: 1,
    spanCount: 1,
    traceIds: [traceId],
    state: "hiding" as const,
    doneUnixMs: undefined,
    removedSpans: 0,
  };
  await first.commit({ redactions: [redaction] });
  await first[Symbol.asyncDispose]();
  fs.rmSync(path.join(dir, "catalog.duckdb"));
  const segment = aSegmentMeta({ id: "found", traceFilter: new Uint8Array(0) });
  const catalog = await openTestCatalog(dir, { rebuild: rebuildOf([segment]) });
  expect(catalog.redactions()).toEqual([redaction]);
  expect(catalog.segment("found")?.hiddenTraces).toEqual([traceId]);
  await catalog[Symbol.asyncDispose]();
});

test("a catalog of the first version is taken over", async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, "catalog.duckdb");
  await (await openTestCatalog(dir))[Symbol.asyncDispose]();
  const database = await catalogParts(dir).openDatabase(file);
  await database.transaction([
    "DROP TABLE redactions",
    "ALTER TABLE segments DROP COLUMN object_version",
    "ALTER TABLE segments DROP COLUMN retention_class",
    "UPDATE meta SET schema_version = 1",
  ]);
  await database[Symbol.asyncDispose]();
  const catalog = await openTestCatalog(dir);
  const segment = aSegmentMeta({ id: "new", object: { version: "v" } });
  await catalog.commit({ add: [segment] });
  expect(catalog.segment("new")).toEqual(segment);
  await catalog[Symbol.asyncDispose]();
});

test("a broken catalog file is kept beside the new one", async () => {
  const dir = temporaryFolder();
  fs.writeFileSync(path.join(dir, "catalog.duckdb"), "broken".repeat(10_000));
  const events: RebuildEvent[] = [];
  const onRebuilt = (event: RebuildEvent) => events.push(event);
  await (await openTestCatalog(dir, { onRebuilt, nowMs: () => 7 }))[Symbol.asyncDispose]();
  expect(events[0]).toMatchObject({ reason: "broken", segments: 0 });
  expect(fs.readFileSync(path.join(dir, "catalog.duckdb.broken-7"), "utf8")).toMatch(/^broken/);
});

test("a rebuild that failed half way is begun again at the next start", async () => {
  const dir = temporaryFolder();
  const failing = async () => ({
    ...(await rebuildOf([])()),
    segments: (async function* () {
      yield [aSegmentMeta({ id: "a" })];
      throw new Error("disk");
    })(),
  });
  await expect(openTestCatalog(dir, { rebuild: failing })).rejects.toThrow("disk");
  const both = ["a", "b"].map((id) => aSegmentMeta({ id }));
  const catalog = await openTestCatalog(dir, { rebuild: rebuildOf(both) });
  expect(catalog.segments("acme").map(({ id }) => id)).toEqual(["b", "a"]);
  await catalog[Symbol.asyncDispose]();
});

test("positions that are certain reach a rebuild although the catalog is lost", async () => {
  const dir = temporaryFolder();
  const catalog = await openTestCatalog(dir);
  await catalog.commit({ cutTo: 500, releasedTo: 400 });
  await catalog[Symbol.asyncDispose]();
  fs.rmSync(path.join(dir, "catalog.duckdb"));
  let hint: unknown;
  const rebuild = async (given: unknown) => {
    hint = given;
    return rebuildOf([])();
  };
  await (await openTestCatalog(dir, { rebuild }))[Symbol.asyncDispose]();
  expect(hint).toEqual({ cutTo: 500, releasedTo: 400 });
});

test("a failed commit changes nothing, and the next one works", async () => {
  const dir = temporaryFolder();
  let fail = false;
  const parts = catalogParts(dir);
  const catalog = await openTestCatalog(dir, {
    openDatabase: async (file) => {
      const database = await parts.openDatabase(file);
      return {
        rows: database.rows.bind(database),
        chunks: database.chunks.bind(database),
        transaction: (statements) =>
          database.transaction(fail ? [...statements, "SELECT error('full')"] : statements),
        [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
      };
    },
  });
  await catalog.commit({ add: [aSegmentMeta({ id: "a" })], cutTo: 5 });
  fail = true;
  const change = { add: [aSegmentMeta({ id: "b" })], remove: ["a"], cutTo: 9 };
  await expect(catalog.commit(change)).rejects.toMatchObject({
    kind: "unavailable",
    retryAfterMs: expect.any(Number),
  });
  expect(catalog.segments("acme").map(({ id }) => id)).toEqual(["a"]);
  expect(catalog.walPositions().cutTo).toBe(5);
  fail = false;
  await catalog.commit(change);
  expect(catalog.segments("acme").map(({ id }) => id)).toEqual(["b"]);
  await catalog[Symbol.asyncDispose]();
});

test("trace filters stay within their budget, and one that is missing excludes nothing", async () => {
  const dir = temporaryFolder();
  const metas = Array.from({ length: 10 }, (_, i) =>
    aSegmentMeta({
      id: `s${i}`,
      maxTraceStart: BigInt(i),
      traceFilter: new Uint8Array(1000).fill(i),
    }),
  );
  const first = await openTestCatalog(dir);
  await first.commit({ add: metas });
  await first[Symbol.asyncDispose]();
  const catalog = await openTestCatalog(dir, {}, { filterBudgetBytes: 3500 });
  const lengths = () => catalog.segments("acme").map(({ traceFilter }) => traceFilter.length);
  expect(lengths().slice(0, 3)).toEqual([1000, 1000, 1000]);
  expect(lengths().filter((length) => length > 0).length).toBeLessThanOrEqual(3);
  const oldest = () => catalog.segment("s0")?.traceFilter;
  await expect.poll(() => oldest()?.length).toBe(1000);
  expect(oldest()).toEqual(metas[0]?.traceFilter);
  await catalog[Symbol.asyncDispose]();
});

test("a catalog of a newer version is left alone", async () => {
  const dir = temporaryFolder();
  await (await openTestCatalog(dir))[Symbol.asyncDispose]();
  const settings = { memoryLimitBytes: 64 << 20, tempDir: dir, threads: 1, maxConcurrent: 1 };
  const database = await openDatabase({ ...settings, path: path.join(dir, "catalog.duckdb") });
  await database.transaction(["UPDATE meta SET schema_version = 99"]);
  await database[Symbol.asyncDispose]();
  await expect(openTestCatalog(dir)).rejects.toThrow("version 99");
  expect(fs.readdirSync(dir)).toContain("catalog.duckdb");
});

test("commits after closing are refused", async () => {
  const catalog = await openTestCatalog(temporaryFolder());
  await catalog[Symbol.asyncDispose]();
  await expect(catalog.commit({ cutTo: 1 })).rejects.toMatchObject({ kind: "unavailable" });
});
