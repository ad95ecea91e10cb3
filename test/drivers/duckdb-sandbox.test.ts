import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../src/drivers/duckdb/database.ts";
import { openDatabase, openSandbox } from "../../src/drivers/duckdb/node-database.ts";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "pintail-sandbox-"));
const allowed = path.join(root, "allowed");
const other = path.join(root, "other");
const settings = {
  memoryLimitBytes: 64 * 1024 * 1024,
  tempDir: path.join(root, "spill"),
  maxTempBytes: 16 * 1024 * 1024,
  threads: 1,
  maxConcurrent: 1,
};
let sandbox: Database;

beforeAll(async () => {
  fs.mkdirSync(allowed);
  fs.mkdirSync(other);
  const database = await openDatabase(settings);
  for (const dir of [allowed, other]) {
    await database.rows(`COPY (SELECT 42 AS a) TO '${dir}/a.parquet' (FORMAT parquet)`);
  }
  await database[Symbol.asyncDispose]();
  fs.writeFileSync(path.join(other, "secret.txt"), "secret");
  fs.symlinkSync(path.join(other, "secret.txt"), path.join(root, "link.txt"));
  sandbox = await openSandbox(settings, { allowedDirectories: [allowed] });
});

afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  fs.rmSync(root, { recursive: true, force: true });
});

test("a sandbox reads the allowed folder", async () => {
  expect(await sandbox.rows(`SELECT a FROM read_parquet('${allowed}/a.parquet')`)).toEqual([[42]]);
  expect(await sandbox.rows(`FROM '${allowed}/*.parquet'`)).toEqual([[42]]);
  expect(await sandbox.rows("WITH t AS (SELECT 1 AS x) SELECT x + 1 FROM t;")).toEqual([[2]]);
  expect(await sandbox.rows("EXPLAIN SELECT 1")).toHaveLength(1);
  expect(await sandbox.rows("explain analyze select 1")).toHaveLength(1);
});

const inside = `${allowed}/new`;
test.each([
  `SELECT * FROM read_parquet('${other}/a.parquet')`,
  `SELECT * FROM read_parquet(['${allowed}/a.parquet', '${other}/a.parquet'])`,
  `SELECT * FROM '${allowed}/../other/a.parquet'`,
  `SELECT * FROM read_text('${other}/secret.txt')`,
  `SELECT * FROM read_text('${root}/link.txt')`,
  `SELECT * FROM read_blob('${other}/secret.txt')`,
  `SELECT * FROM glob('${other}/*')`,
  "SELECT * FROM read_csv('/etc/passwd')",
  "SELECT * FROM '/etc/passwd'",
  "SELECT * FROM read_text('/proc/self/environ')",
  "SELECT * FROM read_csv('https://example.invalid/a.csv')",
  "SELECT * FROM read_json('s3://bucket/a.json')",
  "SELECT getenv('HOME')",
  "SELECT * FROM query('COPY (SELECT 1) TO ''/tmp/x''')",
  `SELECT * FROM query_table('${other}/a.parquet')`,
  "SELECT * FROM sniff_csv('/etc/passwd')",
  `SELECT * FROM parquet_metadata('${other}/a.parquet')`,
  `SELECT * FROM parquet_schema('${other}/a.parquet')`,
  `COPY (SELECT 1) TO '${inside}.parquet'`,
  `COPY (SELECT 1) TO '${inside}.csv'`,
  `EXPLAIN ANALYZE COPY (SELECT 1) TO '${inside}.csv'`,
  `EXPLAIN/**/ANALYZE COPY (SELECT 1) TO '${inside}.csv'`,
  `/* x */ EXPLAIN ANALYZE COPY (SELECT 1) TO '${inside}.csv'`,
  "EXPLAIN ANALYZE CREATE TABLE t (a INT)",
  "EXPLAIN EXPLAIN ANALYZE CREATE TABLE t (a INT)",
  `EXPLAIN (ANALYZE) COPY (SELECT 1) TO '${inside}.csv'`,
  `EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '${inside}.csv'`,
  `ATTACH '${inside}.duckdb' AS x`,
  "ATTACH ':memory:' AS x",
  "DETACH memory",
  "INSTALL httpfs",
  "LOAD httpfs",
  "SET enable_external_access = true",
  "SET memory_limit = '10GB'",
  "RESET memory_limit",
  "SET VARIABLE x = 1",
  "PRAGMA memory_limit = '10GB'",
  "PRAGMA database_list",
  `IMPORT DATABASE '${allowed}'`,
  `EXPORT DATABASE '${inside}'`,
  "CREATE TABLE t (a INT)",
  "CREATE MACRO f(x) AS x",
  "CREATE SECRET (TYPE s3)",
  "CREATE TABLE t AS SELECT 1",
  "INSERT INTO t VALUES (1)",
  "WITH t AS (INSERT INTO u VALUES (1) RETURNING *) SELECT * FROM t",
  "DROP TABLE t",
  "CALL pragma_version()",
  "PREPARE p AS SELECT 1",
  "EXECUTE p",
  "BEGIN",
  "CHECKPOINT",
  "VACUUM",
  "USE memory",
  "SELECT 1; SELECT 2",
  `SELECT 1; COPY (SELECT 1) TO '${inside}.csv'`,
  "",
  ";",
  "-- nothing",
  "SELEC 1",
  "SELECT $1",
])("a sandbox refuses %s", async (sql) => {
  await expect(sandbox.rows(sql, { timeoutMs: 5000 })).rejects.toMatchObject({
    name: "PintailError",
    kind: expect.stringMatching(/^(invalid|not_found)$/),
  });
  expect(fs.readdirSync(allowed)).toEqual(["a.parquet"]);
});

test.each([
  "SELECT list(range) FROM range(100000000)",
  "SELECT count(*) FROM range(1000000000) a, range(1000000000) b",
  "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t",
  "SELECT range FROM range(1000000000)",
  "SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)",
])("a sandbox bounds time, rows and memory: %s", async (sql) => {
  await expect(sandbox.rows(sql, { timeoutMs: 1500, maxRows: 10 })).rejects.toMatchObject({
    kind: expect.stringMatching(/^(timeout|limited)$/),
  });
  expect(await sandbox.rows("SELECT 1")).toEqual([[1]]);
});

test("a statement beyond the size bound or nested too deeply is refused", async () => {
  const deep = `SELECT ${"(".repeat(100_000)}1${")".repeat(100_000)}`;
  await expect(sandbox.rows(deep)).rejects.toMatchObject({ kind: "invalid" });
  await expect(sandbox.rows(`SELECT '${"x".repeat(300_000)}'`)).rejects.toMatchObject({
    kind: "invalid",
  });
});
