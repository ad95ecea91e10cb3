import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openDatabase } from "../../../src/drivers/duckdb/node-database.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import type { RebuildEvent } from "../../../src/storage/catalog/duckdb-catalog.ts";
import { wholeSegments } from "../../support/loaded-segments.ts";
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
  expect(await wholeSegments(catalog, catalog.segments("acme"))).toEqual([segment]);
  expect(catalog.walPositions()).toEqual({ cutTo: 20, releasedTo: 10 });
  expect(catalog.deletable(0)).toEqual([{ id: "gone", tenant: "acme" }]);
  await catalog[Symbol.asyncDispose]();
  const again = await openTestCatalog(dir, { onRebuilt });
  expect(await wholeSegments(again, again.segments("acme"))).toEqual([segment]);
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
    "ALTER TABLE segments ADD COLUMN row_groups VARCHAR DEFAULT '[]'",
    "ALTER TABLE segments DROP COLUMN packed_row_groups",
    "UPDATE meta SET schema_version = 1",
  ]);
  await database[Symbol.asyncDispose]();
  const catalog = await openTestCatalog(dir);
  const segment = aSegmentMeta({ id: "new", object: { version: "v" } });
  await catalog.commit({ add: [segment] });
  expect(await wholeSegments(catalog, catalog.segments("acme"))).toEqual([segment]);
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
        releaseBuffers: database.releaseBuffers.bind(database),
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

function aDatedSegment(i: number, bytes = 1000): SegmentMeta {
  return aSegmentMeta({
    id: `s${i}`,
    maxTraceStart: BigInt(i) + 1_700_000_060_000_000_000n,
    traceFilter: new Uint8Array(bytes).fill(i),
  });
}

test("row groups of a catalog of the second version are taken over", async () => {
  const dir = temporaryFolder();
  const metas = [
    aSegmentMeta({ id: "a", rowGroups: [] }),
    aSegmentMeta({
      id: "b",
      rowGroups: [
        { rowCount: 2 ** 32 - 1, minTraceStart: 0n, maxTraceStart: 2n ** 63n - 1n },
        { rowCount: 1, minTraceStart: -(2n ** 63n), maxTraceStart: -1n },
      ],
    }),
  ];
  const first = await openTestCatalog(dir);
  await first.commit({ add: metas });
  await first[Symbol.asyncDispose]();
  const database = await catalogParts(dir).openDatabase(path.join(dir, "catalog.duckdb"));
  const old = JSON.stringify(
    metas[1]!.rowGroups.map((g) => [g.rowCount, `${g.minTraceStart}`, `${g.maxTraceStart}`]),
  );
  await database.transaction([
    "ALTER TABLE segments ADD COLUMN row_groups VARCHAR",
    "UPDATE meta SET schema_version = 2",
  ]);
  await database.transaction([
    `UPDATE segments SET row_groups = CASE id WHEN 'a' THEN '[]' ELSE '${old}' END`,
  ]);
  await database.transaction(["ALTER TABLE segments DROP COLUMN packed_row_groups"]);
  await database[Symbol.asyncDispose]();
  const rebuild = () => Promise.reject(new Error("rebuilt"));
  const catalog = await openTestCatalog(dir, { rebuild });
  const whole = await wholeSegments(catalog, catalog.segments("acme"));
  expect(whole.sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(metas);
  await catalog[Symbol.asyncDispose]();
});

test.each([
  ["cut off", "packed_row_groups[:15]"],
  ["out of order", "unhex(repeat('ff', 12) || repeat('80', 8))"],
  ["without rows", "unhex(repeat('00', 20))"],
])("packed row groups that are %s make the catalog a broken one", async (_, value) => {
  const dir = temporaryFolder();
  const first = await openTestCatalog(dir);
  await first.commit({ add: [aSegmentMeta({ id: "damaged" })] });
  await first[Symbol.asyncDispose]();
  const database = await catalogParts(dir).openDatabase(path.join(dir, "catalog.duckdb"));
  await database.transaction([`UPDATE segments SET packed_row_groups = ${value}`]);
  await database[Symbol.asyncDispose]();
  const events: RebuildEvent[] = [];
  const onRebuilt = (event: RebuildEvent) => events.push(event);
  const rebuild = rebuildOf([aSegmentMeta({ id: "found" })]);
  const catalog = await openTestCatalog(dir, { rebuild, onRebuilt });
  expect(events.map(({ reason }) => reason)).toEqual(["broken"]);
  expect(catalog.segments("acme").map(({ id }) => id)).toEqual(["found"]);
  await catalog[Symbol.asyncDispose]();
});

test("details beyond the budget come with one statement, and stay while they are held", async () => {
  const dir = temporaryFolder();
  const metas = Array.from({ length: 40 }, (_, i) => aDatedSegment(i));
  const first = await openTestCatalog(dir);
  await first.commit({ add: metas });
  await first[Symbol.asyncDispose]();
  const statements: string[] = [];
  const parts = catalogParts(dir);
  const openDatabase: typeof parts.openDatabase = async (file) => {
    const database = await parts.openDatabase(file);
    const chunks = database.chunks.bind(database);
    database.chunks = (sql, ...rest) => {
      statements.push(sql);
      return chunks(sql, ...rest);
    };
    return database;
  };
  const budgets = { filterBudgetBytes: 6500, keysBudgetBytes: 0, parsedKeysBudgetBytes: 0 };
  const catalog = await openTestCatalog(dir, { openDatabase }, budgets);
  const all = catalog.segments("acme");
  statements.length = 0;
  {
    using newest = await catalog.loadFilters(all.slice(0, 5));
    expect(statements).toEqual([]);
    expect(newest.segments.map(({ traceFilter }) => traceFilter[0])).toEqual([39, 38, 37, 36, 35]);
    using others = await catalog.loadFilters(all);
    using keys = await catalog.loadKeys(all);
    expect(statements).toHaveLength(2);
    // Whatever else is loaded meanwhile.
    (await catalog.loadFilters(all.slice(20)))[Symbol.dispose]();
    for (const [i, { traceFilter }] of others.segments.entries()) {
      expect(traceFilter).toEqual(metas[39 - i]!.traceFilter);
    }
    for (const one of keys.segments) expect(one.keys).toEqual(metas[0]!.keys);
    expect(all[7]).toBe(others.segments[7]);
  }
  const left = (all as readonly SegmentMeta[]).filter((one) => {
    try {
      return one.traceFilter.length > 0;
    } catch {
      return false;
    }
  });
  expect(left.length).toBeLessThanOrEqual(5);
  expect(() => (all[0] as SegmentMeta).keys).toThrow("without being loaded");
  await catalog[Symbol.asyncDispose]();
});

test("details of a segment that left are there for the queries that know it", async () => {
  const dir = temporaryFolder();
  const first = await openTestCatalog(dir);
  await first.commit({ add: [aDatedSegment(1), aDatedSegment(2)] });
  await first[Symbol.asyncDispose]();
  const catalog = await openTestCatalog(dir, {}, { filterBudgetBytes: 1500 });
  const before = catalog.segments("acme");
  await catalog.commit({ remove: ["s1"] });
  {
    using loaded = await catalog.loadFilters(before.slice(1));
    expect(loaded.segments[0]?.traceFilter[0]).toBe(1);
  }
  // Beyond the budget the query has to begin again.
  await catalog.commit({ add: [aDatedSegment(3)] });
  await expect(catalog.loadFilters(before)).rejects.toThrow("left the catalog");
  await catalog[Symbol.asyncDispose]();
});

test("segments with the same keys are known, also when their statistics left memory", async () => {
  const dir = temporaryFolder();
  const [first] = aSegmentMeta().keys;
  const metas = ["a", "b", "c"].map((id) => aSegmentMeta({ id }));
  const other = aSegmentMeta({ id: "d", keys: [{ ...first!, key: "other" }] });
  const changed = aSegmentMeta({ id: "e", keys: metas[0]!.keys.map((s) => ({ ...s, count: 7 })) });
  const budgets = { keysBudgetBytes: 0, parsedKeysBudgetBytes: 0 };
  const catalog = await openTestCatalog(dir, {}, budgets);
  await catalog.commit({ add: [...metas, other, changed] });
  const sames = () => ["a", "b", "c", "d", "e"].map((id) => catalog.segment(id)?.sameKeys);
  expect(sames()).toEqual([undefined, undefined, undefined, undefined, undefined]);
  {
    using loaded = await catalog.loadKeys(catalog.segments("acme"));
    for (const { keys } of loaded.segments) expect(keys.length).toBeGreaterThan(0);
  }
  expect(() => (catalog.segment("a") as SegmentMeta).keys).toThrow("without being loaded");
  const [a, b, c, d, e] = sames();
  expect([a, b, c].every((same) => same !== undefined && same === e)).toBe(true);
  expect(d).not.toBe(a);
  // The same segment with something else that changed.
  await catalog.commit({ stored: [{ id: "b", object: { version: "1" } }] });
  expect(catalog.segment("b")).toMatchObject({ object: { version: "1" }, sameKeys: a });
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

test("what a killed process had begun to write is deleted at the start", async () => {
  const dir = temporaryFolder();
  const first = await openTestCatalog(dir);
  await first[Symbol.asyncDispose]();
  const dataDir = path.dirname(fs.globSync(`${dir}/**/catalog.duckdb`)[0] as string);
  const names = ["wal-positions.json.tmp-1-a", "redactions.json.tmp-1-b", "others.json.tmp-1-c"];
  for (const name of names) fs.writeFileSync(path.join(dataDir, name), "{");
  const again = await openTestCatalog(dir);
  expect(names.filter((name) => fs.existsSync(path.join(dataDir, name)))).toEqual([names[2]]);
  await again[Symbol.asyncDispose]();
});

test("no two segments have one place, and places are given again", async () => {
  const dir = temporaryFolder();
  const catalog = await openTestCatalog(dir);
  const placesOf = () => {
    const places = catalog.tenants().flatMap((tenant) => catalog.segments(tenant));
    return places.map(({ place }) => place ?? -1).sort((a, b) => a - b);
  };
  await catalog.commit({
    add: ["a", "b", "c", "d"].map((id, i) =>
      aSegmentMeta({ id, tenant: i < 2 ? "acme" : "other" }),
    ),
  });
  expect(placesOf()).toEqual([0, 1, 2, 3]);
  await catalog.commit({ remove: ["b", "c"], add: [aSegmentMeta({ id: "e" })] });
  await catalog.commit({ stored: [{ id: "a", object: { version: "1" } }] });
  expect(new Set(placesOf()).size).toBe(3);
  await catalog.commit({ add: ["f", "g"].map((id) => aSegmentMeta({ id })) });
  expect(placesOf()).toEqual([0, 1, 2, 3, 4]);
  await catalog[Symbol.asyncDispose]();
});
