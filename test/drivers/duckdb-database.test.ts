import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import type { SqlValue } from "../../src/drivers/duckdb/database.ts";
import { openDatabase } from "../../src/drivers/duckdb/node-database.ts";
import { sqlLiteral } from "../../src/drivers/duckdb/sql-literal.ts";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "pintail-duckdb-"));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const settings = {
  memoryLimitBytes: 100 * 1024 * 1024,
  tempDir: path.join(root, "spill"),
  maxTempBytes: 32 * 1024 * 1024,
  threads: 1,
  maxConcurrent: 2,
};
const open = (changes: Partial<Parameters<typeof openDatabase>[0]> = {}) =>
  openDatabase({ ...settings, ...changes });
const database = await open();
afterAll(() => database[Symbol.asyncDispose]());

const ENDLESS = "SELECT sum(range) FROM range(1000000000000000)";

test.each<[string, SqlValue]>([
  ["NULL", null],
  ["NULL::VARCHAR", null],
  ["true", true],
  ["(-128)::TINYINT", -128],
  ["255::UTINYINT", 255],
  ["(-32768)::SMALLINT", -32768],
  ["65535::USMALLINT", 65535],
  ["(-2147483648)::INTEGER", -2147483648],
  ["4294967295::UINTEGER", 4294967295],
  ["(-9223372036854775808)::BIGINT", -(2n ** 63n)],
  ["18446744073709551615::UBIGINT", 2n ** 64n - 1n],
  ["(-170141183460469231731687303715884105728)::HUGEINT", -(2n ** 127n)],
  ["340282366920938463463374607431768211455::UHUGEINT", 2n ** 128n - 1n],
  ["1.5::FLOAT", 1.5],
  ["1e308::DOUBLE", 1e308],
  ["'nan'::DOUBLE", Number.NaN],
  ["'-inf'::DOUBLE", Number.NEGATIVE_INFINITY],
  ["12345.67::DECIMAL(18,2)", 12345.67],
  ["''", ""],
  ["'twelve bytes'", "twelve bytes"],
  ["'thirteen byte'", "thirteen byte"],
  ["'größer'", "größer"],
  ["'日本語の文字列はもっと長い'", "日本語の文字列はもっと長い"],
  ["'\\x00\\xFF'::BLOB", new Uint8Array([0, 255])],
  ["repeat('ab', 10)::BLOB", new TextEncoder().encode("ab".repeat(10))],
  ["UUID '00000000-0000-0000-0000-000000000001'", `${"0".repeat(31)}1`],
  ["UUID 'ffeeddcc-bbaa-9988-7766-554433221100'", "ffeeddccbbaa99887766554433221100"],
  ["make_timestamp_ns(1700000000123456789)", 1_700_000_000_123_456_789n],
  ["TIMESTAMP '1970-01-01 00:00:01'", 1_000_000n],
  ["DATE '1970-01-03'", 2],
  ["INTERVAL '1 month 2 days 3 microseconds'", { months: 1, days: 2, micros: 3n }],
  ["'b'::ENUM('a', 'b')", "b"],
  ["[1, NULL, 3]", [1, null, 3]],
  ["[]::INTEGER[]", []],
  ["[['a'], NULL, []]", [["a"], null, []]],
  ["[1, 2]::INTEGER[2]", [1, 2]],
  ["{'a': 1, 'b': NULL, 'c': {'d': ['x']}}", { a: 1, b: null, c: { d: ["x"] } }],
  [
    "MAP {'k': 1, 'j': NULL}",
    [
      ["k", 1],
      ["j", null],
    ],
  ],
  ["MAP {}", []],
  ["[MAP {1: [true]}]", [[[1, [true]]]]],
])("reads %s", async (sql, value) => {
  expect(await database.rows(`SELECT ${sql}`)).toEqual([[value]]);
});

test("reads NULLs and nested values at the right rows of many chunks", async () => {
  const rows = await database.rows(`
    SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'value ' || i || ' is long' END,
      CASE WHEN i % 5 = 0 THEN NULL ELSE list_transform(range(i % 4), x -> x + i) END,
      CASE WHEN i % 7 = 0 THEN NULL ELSE MAP {'i': i, 'j': NULL} END
    FROM range(5000) t(i) ORDER BY i`);
  expect(rows).toHaveLength(5000);
  rows.forEach(([i, text, list, map], n) => {
    const big = BigInt(n);
    expect(i).toBe(big);
    expect(text).toBe(n % 3 === 0 ? null : `value ${n} is long`);
    expect(list).toEqual(
      n % 5 === 0 ? null : Array.from({ length: n % 4 }, (_, x) => BigInt(x) + big),
    );
    expect(map).toEqual(
      n % 7 === 0
        ? null
        : [
            ["i", big],
            ["j", null],
          ],
    );
  });
});

test("gives chunks with names and types, and waits for the callee", async () => {
  let rowCount = 0;
  let busy = false;
  await database.chunks(
    "SELECT range AS n, [{'k': 1}] AS l FROM range(5000)",
    async (chunk, columns) => {
      expect(busy).toBe(false);
      busy = true;
      await Promise.resolve();
      expect(columns).toEqual([
        { name: "n", type: "BIGINT" },
        { name: "l", type: "STRUCT(k INTEGER)[]" },
      ]);
      expect(chunk.rowCount).toBeLessThanOrEqual(2048);
      expect(chunk.columns.map((column) => column.length)).toEqual([
        chunk.rowCount,
        chunk.rowCount,
      ]);
      rowCount += chunk.rowCount;
      busy = false;
    },
  );
  expect(rowCount).toBe(5000);
});

test("rows with long lists come few at a time, inner lists counted, each once", async () => {
  const sizes: number[] = [];
  const seen: unknown[] = [];
  await database.chunks(
    `SELECT i, CASE WHEN i % 10 = 3 THEN list_transform(range(30000), lambda x: {'n': x, 'l': [x, i]})
       WHEN i % 10 = 4 THEN NULL ELSE [] END AS l, map([i], ['v' || i]) AS m
     FROM range(40) t(i) ORDER BY i`,
    ({ rowCount, columns: [i, l, m] }) => {
      sizes.push(rowCount);
      for (let row = 0; row < rowCount; row++) {
        const list = l![row] as { n: bigint; l: bigint[] }[] | null;
        seen.push([i![row], list?.length ?? null, list?.at(-1), m![row]]);
      }
    },
  );
  expect(sizes.length).toBeGreaterThan(2);
  expect(Math.max(...sizes)).toBeLessThan(40);
  expect(seen).toEqual(
    Array.from({ length: 40 }, (_, n) => {
      const i = BigInt(n);
      const map = [[i, `v${n}`]];
      if (n % 10 === 4) return [i, null, undefined, map];
      if (n % 10 !== 3) return [i, 0, undefined, map];
      return [i, 30_000, { n: 29_999n, l: [29_999n, i] }, map];
    }),
  );
});

test("a callee that has enough gets no more", async () => {
  let chunks = 0;
  await database.chunks("SELECT range FROM range(10000)", async () => {
    chunks++;
    return chunks < 2;
  });
  expect(chunks).toBe(2);
});

test("an error of the callee ends the query and passes through", async () => {
  const failing = database.chunks("SELECT 1", () => {
    throw new RangeError("mine");
  });
  await expect(failing).rejects.toThrow(RangeError);
  expect(await database.rows("SELECT 1")).toEqual([[1]]);
});

test("a time-out and an abort interrupt the query, and the place is free again", async () => {
  const abort = new AbortController();
  const both = [
    database.rows(ENDLESS, { timeoutMs: 100 }),
    database.rows(ENDLESS, { signal: abort.signal }),
  ];
  const ends = [
    expect(both[0]).rejects.toMatchObject({ kind: "timeout" }),
    expect(both[1]).rejects.toMatchObject({ kind: "canceled" }),
  ];
  setTimeout(() => abort.abort(), 50);
  await Promise.all(ends);
  await expect(database.rows("SELECT 1", { signal: abort.signal })).rejects.toMatchObject({
    kind: "canceled",
  });
  expect(await database.rows("SELECT 1")).toEqual([[1]]);
});

test("queries beyond the places wait in order, up to a bound, and can leave the line", async () => {
  const small = await open({ maxConcurrent: 1, maxQueued: 2 });
  const running = new AbortController();
  const waiting = new AbortController();
  const first = small.rows(ENDLESS, { signal: running.signal });
  const second = small.rows("SELECT 2", { signal: waiting.signal });
  const third = small.rows("SELECT 3");
  await expect(small.rows("SELECT 4")).rejects.toMatchObject({
    kind: "limited",
    retryAfterMs: expect.any(Number),
  });
  waiting.abort();
  await expect(second).rejects.toMatchObject({ kind: "canceled" });
  running.abort();
  await expect(first).rejects.toMatchObject({ kind: "canceled" });
  expect(await third).toEqual([[3]]);
  await small[Symbol.asyncDispose]();
});

test("closing interrupts what runs and refuses what waits or comes", async () => {
  const small = await open({ maxConcurrent: 1 });
  const running = small.rows(ENDLESS);
  const waiting = small.rows("SELECT 1");
  const ends = [running, waiting].map((query) =>
    expect(query).rejects.toMatchObject({ kind: "unavailable" }),
  );
  await small[Symbol.asyncDispose]();
  await Promise.all(ends);
  await expect(small.rows("SELECT 1")).rejects.toMatchObject({ kind: "unavailable" });
});

test("tells errors apart by what the caller can do", async () => {
  fs.writeFileSync(path.join(root, "bad.parquet"), "neither a header nor a footer");
  fs.writeFileSync(path.join(root, "empty.parquet"), "");
  await database.rows(`COPY (SELECT 1 AS a) TO '${root}/good.parquet' (FORMAT parquet)`);
  const kindOf = (sql: string, options = {}) =>
    database.rows(sql, options).then(
      () => "none",
      (e) => e.kind,
    );
  expect(await kindOf(`FROM read_parquet(['${root}/good.parquet', '${root}/no.parquet'])`)).toBe(
    "not_found",
  );
  expect(await kindOf(`FROM read_parquet('${root}/bad.parquet')`)).toBe("corrupt");
  expect(await kindOf(`FROM read_parquet('${root}/empty.parquet')`)).toBe("corrupt");
  expect(await kindOf("SELECT list(range) FROM range(100000000)")).toBe("limited");
  expect(await kindOf("SELECT range FROM range(11)", { maxRows: 10 })).toBe("limited");
  expect(await kindOf("SELECT range FROM range(10)", { maxRows: 10 })).toBe("none");
  expect(await kindOf("SELEC 1")).toBe("internal");
  expect(await kindOf("SELECT '101'::BIT")).toBe("unsupported");
});

test("a file that vanishes after its metadata was cached is not found", async () => {
  const file = path.join(root, "vanishing.parquet");
  await database.rows(`COPY (SELECT 1 AS a) TO '${file}' (FORMAT parquet)`);
  expect(await database.rows(`FROM read_parquet('${file}')`)).toEqual([[1]]);
  fs.rmSync(file);
  await expect(database.rows(`FROM read_parquet('${file}')`)).rejects.toMatchObject({
    kind: "not_found",
  });
});

test("a transaction takes effect whole or not at all", async () => {
  const file = path.join(root, "t.duckdb");
  let written = await open({ path: file });
  const hostile = "it's; DROP TABLE t; -- \\ \n";
  await written.transaction([
    "CREATE TABLE t (a VARCHAR, b BLOB)",
    `INSERT INTO t VALUES (${sqlLiteral(hostile)}, ${sqlLiteral(new Uint8Array([0, 39, 255]))})`,
  ]);
  const failing = written.transaction(["DELETE FROM t", "INSERT INTO nowhere VALUES (1)"]);
  await expect(failing).rejects.toMatchObject({ kind: "internal" });
  const rows = [[hostile, new Uint8Array([0, 39, 255])]];
  expect(await written.rows("FROM t")).toEqual(rows);
  await written[Symbol.asyncDispose]();
  written = await open({ path: file });
  expect(await written.rows("FROM t")).toEqual(rows);
  await written[Symbol.asyncDispose]();
});

test("what was read of a file is let go, and the limit is what it was", async () => {
  const file = path.join(root, "large.duckdb");
  await using written = await open({ path: file });
  await written.transaction(["CREATE TABLE t AS SELECT random() AS a FROM range(3000000)"]);
  const held = async () => Number((await written.rows(HELD))[0]?.[0]);
  const limit = () => written.rows("SELECT current_setting('memory_limit')");
  const before = await limit();
  await written.rows("SELECT sum(a) FROM t");
  expect(await held()).toBeGreaterThan(16 * 1024 * 1024);
  await written.releaseBuffers();
  expect(await held()).toBeLessThan(12 * 1024 * 1024);
  expect(await limit()).toEqual(before);
  expect(await written.rows("SELECT count(*) FROM t")).toEqual([[3000000n]]);
});

const HELD = "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()";

test("a file that is no database is corrupt, and a read-only one takes no writes", async () => {
  const file = path.join(root, "no.duckdb");
  fs.writeFileSync(file, "x".repeat(20_000));
  await expect(open({ path: file })).rejects.toMatchObject({ kind: "corrupt" });
  const readable = path.join(root, "ro.duckdb");
  await (await open({ path: readable }))[Symbol.asyncDispose]();
  const readOnly = await open({ path: readable, readOnly: true });
  await expect(readOnly.transaction(["CREATE TABLE t (a INT)"])).rejects.toMatchObject({
    name: "PintailError",
  });
  await readOnly[Symbol.asyncDispose]();
});
