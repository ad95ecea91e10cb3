import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import type { ScratchDatabase } from "../../../src/drivers/duckdb/database.ts";
import { openDatabase, openSandbox } from "../../../src/drivers/duckdb/node-database.ts";
import type { ScratchColumn } from "../../../src/drivers/duckdb/scratch-table.ts";

const root = mkdtempSync(join(tmpdir(), "pintail-scratch-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const settings = {
  memoryLimitBytes: 200 * 2 ** 20,
  tempDir: join(root, "spill"),
  threads: 2,
  maxConcurrent: 3,
};
let database: ScratchDatabase;
beforeEach(async () => {
  database = await openDatabase(settings);
});
afterEach(() => database[Symbol.asyncDispose]());

const tableCount = async () =>
  (await database.rows("SELECT count(*) FROM duckdb_tables()"))[0]![0] as bigint;

function numbers(rowCount: number): ScratchColumn[] {
  const values = Int32Array.from({ length: rowCount }, (_, i) => i);
  return [{ name: "n", type: "INTEGER", values }];
}

test("a scratch table holds what its columns do, of every type", async () => {
  const utf8 = new TextEncoder();
  const ids = new Uint8Array(48);
  ids[15] = 1;
  for (let i = 0; i < 16; i++) ids[16 + i] = 0xff - 0x11 * i;
  ids[32] = 0x7f;
  const table = await database.scratchTable([
    { name: "i", type: "INTEGER", values: Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1) },
    { name: "b", type: "BIGINT", values: BigInt64Array.of(-(2n ** 63n), 5n, 2n ** 63n - 1n) },
    {
      name: "t",
      type: "TIMESTAMP_NS",
      values: BigInt64Array.of(0n, 1n, 1_700_000_000_123_456_789n),
    },
    { name: "u", type: "UUID", values: ids },
    {
      name: "s",
      type: "VARCHAR",
      values: ["", "a\0b", "größer als zwölf Bytes \u{1f9f5}"].map((text) => utf8.encode(text)),
    },
  ]);
  expect(table.rowCount).toBe(3);
  expect(await database.rows(`SELECT * FROM ${table.name}`)).toEqual([
    [-(2 ** 31), -(2n ** 63n), 0n, `${"0".repeat(31)}1`, ""],
    [0, 5n, 1n, "ffeeddccbbaa99887766554433221100", "a\0b"],
    [
      2 ** 31 - 1,
      2n ** 63n - 1n,
      1_700_000_000_123_456_789n,
      `7f${"0".repeat(30)}`,
      "größer als zwölf Bytes \u{1f9f5}",
    ],
  ]);
  // The ids are equal to, and sorted like, those that come from elsewhere.
  expect(
    await database.rows(
      `SELECT i FROM ${table.name} WHERE u IN (UUID 'ffeeddcc-bbaa-9988-7766-554433221100') OR u < UUID '00000000-0000-0000-0000-000000000002' ORDER BY u`,
    ),
  ).toEqual([[-(2 ** 31)], [0]]);
});

test("values are read from where a view of them begins", async () => {
  const values = Int32Array.of(7, 8, 9).subarray(1);
  const table = await database.scratchTable([{ name: "n", type: "INTEGER", values }]);
  expect(await database.rows(`SELECT n FROM ${table.name}`)).toEqual([[8], [9]]);
});

test.each([0, 1, 2047, 2048, 2049, 16 * 2048, 100_001])("%i rows all arrive", async (rowCount) => {
  const table = await database.scratchTable(numbers(rowCount));
  const [row] = await database.rows(
    `SELECT count(*), count(DISTINCT n), coalesce(max(n), -1) FROM ${table.name}`,
  );
  expect(row).toEqual([BigInt(rowCount), BigInt(rowCount), rowCount - 1]);
});

test("every connection of the pool sees a table, and none does after it was disposed of", async () => {
  const table = await database.scratchTable(numbers(10));
  const sql = `SELECT count(*) FROM ${table.name}`;
  const all = await Promise.all([1, 2, 3].map(() => database.rows(sql)));
  expect(all).toEqual([[[10n]], [[10n]], [[10n]]]);
  await table[Symbol.asyncDispose]();
  await table[Symbol.asyncDispose]();
  expect(await tableCount()).toBe(0n);
  await expect(database.rows(sql)).rejects.toMatchObject({ kind: "unavailable" });
});

test("tables made at once have names and rows of their own", async () => {
  const tables = await Promise.all(
    Array.from({ length: 20 }, (_, i) => database.scratchTable(numbers(3000 + i))),
  );
  expect(new Set(tables.map(({ name }) => name)).size).toBe(20);
  for (const [i, { name }] of tables.entries()) {
    expect(await database.rows(`SELECT count(*) FROM ${name}`)).toEqual([[BigInt(3000 + i)]]);
  }
  await Promise.all(tables.map((table) => table[Symbol.asyncDispose]()));
  expect(await tableCount()).toBe(0n);
});

test("a canceled or late filling leaves no table", async () => {
  const controller = new AbortController();
  const canceled = database.scratchTable(numbers(2_000_000), { signal: controller.signal });
  setTimeout(() => controller.abort(), 5);
  await expect(canceled).rejects.toMatchObject({ kind: "canceled" });
  const late = database.scratchTable(numbers(2_000_000), { timeoutMs: 3 });
  await expect(late).rejects.toMatchObject({ kind: "timeout" });
  const aborted = database.scratchTable(numbers(1), { signal: AbortSignal.abort() });
  await expect(aborted).rejects.toMatchObject({ kind: "canceled" });
  expect(await tableCount()).toBe(0n);
});

test("an interrupted query leaves its table to be disposed of", async () => {
  const table = await database.scratchTable(numbers(10));
  const endless = `SELECT count(*) FROM ${table.name}, range(1000000000000)`;
  await expect(database.rows(endless, { timeoutMs: 50 })).rejects.toMatchObject({
    kind: "timeout",
  });
  expect(await database.rows(`SELECT count(*) FROM ${table.name}`)).toEqual([[10n]]);
  await table[Symbol.asyncDispose]();
  expect(await tableCount()).toBe(0n);
});

test("a table is dropped while a query reads it, which goes on to its end", async () => {
  const table = await database.scratchTable(numbers(2000));
  const running = database.rows(`SELECT count(*) FROM ${table.name} a, ${table.name} b, range(5)`);
  await table[Symbol.asyncDispose]();
  expect(await running).toEqual([[20_000_000n]]);
  expect(await tableCount()).toBe(0n);
});

test("a table that finds no place to be dropped goes with the next one that does", async () => {
  await using narrow = await openDatabase({ ...settings, maxConcurrent: 1, maxQueued: 0 });
  const table = await narrow.scratchTable(numbers(10));
  const running = narrow.rows("SELECT count(*) FROM range(100000000) WHERE range % 7 = 1");
  await table[Symbol.asyncDispose]();
  await running;
  const next = await narrow.scratchTable(numbers(1));
  expect(await narrow.rows("SELECT table_name FROM duckdb_tables()")).toEqual([[next.name]]);
});

test("too many rows, columns of two lengths, none at all: nothing is made", async () => {
  await expect(database.scratchTable(numbers(11), { maxRows: 10 })).rejects.toMatchObject({
    kind: "limited",
  });
  const uneven = [...numbers(2), ...numbers(3)];
  await expect(database.scratchTable(uneven)).rejects.toThrow("columns differ in length");
  await expect(database.scratchTable([])).rejects.toThrow("needs a column");
  expect(await tableCount()).toBe(0n);
});

test("a table that does not fit the memory is refused as limited", async () => {
  await using small = await openDatabase({
    ...settings,
    memoryLimitBytes: 12 * 2 ** 20,
    maxTempBytes: 2 ** 20,
  });
  const values = BigInt64Array.from(
    { length: 4_000_000 },
    (_, i) => BigInt(i) * 0x9e3779b97f4a7c15n,
  );
  const filling = small.scratchTable([{ name: "b", type: "BIGINT", values }]);
  await expect(filling).rejects.toMatchObject({ kind: "limited" });
  expect(await small.rows("SELECT count(*) FROM duckdb_tables()")).toEqual([[0n]]);
});

test("databases in files and those for people's own SQL take no scratch tables", async () => {
  await using file = await openDatabase({ ...settings, path: join(root, "file.duckdb") });
  await expect(file.scratchTable(numbers(1))).rejects.toThrow("no scratch tables");
  const sandbox = (await openSandbox(settings, { allowedDirectories: [] })) as typeof file;
  await expect(sandbox.scratchTable(numbers(1))).rejects.toThrow("no scratch tables");
  await sandbox[Symbol.asyncDispose]();
});

test("disposing of a table after its database was closed does nothing", async () => {
  const other = await openDatabase(settings);
  const table = await other.scratchTable(numbers(1));
  await other[Symbol.asyncDispose]();
  await table[Symbol.asyncDispose]();
});

test("holds the rows that a SELECT gives, or nothing when that fails", async () => {
  const table = await database.scratchTableOf("SELECT range AS n FROM range(5000)");
  expect(table.rowCount).toBe(5000);
  expect(await database.rows(`SELECT sum(n)::BIGINT FROM ${table.name}`)).toEqual([[12_497_500n]]);
  await table[Symbol.asyncDispose]();
  const none = await database.scratchTableOf("SELECT 1 AS n WHERE false");
  expect(none.rowCount).toBe(0);
  await none[Symbol.asyncDispose]();
  const endless = "SELECT count(*) AS n FROM range(1000000000000) a, range(1000) b";
  await expect(database.scratchTableOf(endless, { timeoutMs: 50 })).rejects.toMatchObject({
    kind: "timeout",
  });
  const few = database.scratchTableOf("SELECT range AS n FROM range(11)", { maxRows: 10 });
  await expect(few).rejects.toMatchObject({ kind: "limited" });
  await expect(database.scratchTableOf("SELECT nothing")).rejects.toThrow("nothing");
  const left = "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'pintail_scratch_%'";
  expect(await database.rows(left)).toEqual([[0n]]);
});
