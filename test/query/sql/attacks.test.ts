import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SqlFormat } from "../../../src/drivers/duckdb/isolated/isolated-sql.ts";
import { runQuery } from "../../../src/drivers/duckdb/isolated/run-query.ts";
import { isPintailError } from "../../../src/errors.ts";

// What the query's process runs, here in the test's own process: the walls are the engine's.
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pintail-attacks-"));
  await writeFile(join(dir, "secret.csv"), "a\nsecret\n");
  await outcome("select 1 as a", "parquet", dir);
  await writeFile(join(dir, "own.csv"), "a\nmine\n");
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function outcome(sql: string, format: SqlFormat = "csv", tempDir = join(dir, "tmp")) {
  let text = "";
  const decoder = new TextDecoder();
  try {
    await runQuery(
      {
        sql,
        fasterSql: undefined,
        setup: ["CREATE VIEW spans AS SELECT 1 AS a"],
        allowedPaths: [join(dir, "own.csv")],
        format,
        limit: 0,
        maxRows: 0,
        settings: { memoryLimitBytes: 64 * 2 ** 20, threads: 1, tempDir, maxTempBytes: 2 ** 20 },
      },
      {
        started: async () => {},
        data: async (bytes) => {
          text += decoder.decode(bytes, { stream: true });
        },
      },
    );
  } catch (error) {
    return `refused: ${isPintailError(error) ? error.message : (error as Error).message}`;
  }
  return text;
}

const OTHER_STATEMENTS = [
  "attach 'DIR/x.db' as x",
  "detach memory",
  "use memory",
  "install httpfs",
  "load httpfs",
  "load 'DIR/evil.so'",
  "copy (select 1) to 'DIR/out.csv'",
  "copy spans from 'DIR/secret.csv'",
  "export database 'DIR/export'",
  "import database 'DIR/export'",
  "set enable_external_access = true",
  "set global memory_limit = '100GB'",
  "reset all",
  "pragma enable_profiling",
  "pragma version",
  "call pragma_version()",
  "create table t as select 1",
  "create or replace view spans as select 2",
  "create macro f() as 1",
  "create secret s (type s3)",
  "drop view spans",
  "insert into spans values (1)",
  "update spans set a = 2",
  "delete from spans",
  "alter view spans rename to x",
  "prepare p as select 1",
  "execute p",
  "checkpoint",
  "vacuum",
  "analyze",
  "begin",
  "explain analyze create table t as select 1",
  "explain analyze copy (select 1) to 'DIR/out.csv'",
  "with t as (select 1) insert into spans select * from t",
];

test.each(OTHER_STATEMENTS)("%s is refused as a statement", async (statement) => {
  const result = await outcome(statement.replaceAll("DIR", dir));
  expect(result).toMatch(/^refused: (only SELECT|duckdb: )/);
});

test.each(["select 1; select 2", "select 1; drop view spans", "select 1;; attach 'x'"])(
  "%s is refused as several",
  async (statement) => {
    expect(await outcome(statement)).toMatch(/statements of 1|only SELECT/);
  },
);

test.each(["", ";", "-- nothing", "/* */"])("'%s' is refused as empty", async (statement) => {
  expect(await outcome(statement)).toMatch(/^refused: /);
});

test.each([
  "select * from read_csv('DIR/secret.csv')",
  "select * from 'DIR/secret.csv'",
  "from 'DIR/secret.csv'",
  "select * from read_csv(['DIR/own.csv', 'DIR/secret.csv'])",
  "select * from read_csv('DIR/tmp/../secret.csv')",
  "select * from read_csv('file://DIR/secret.csv')",
  "select * from read_csv('DIR/own.csv/../secret.csv')",
  "select * from read_text('/etc/passwd')",
  "select * from read_blob('/proc/self/environ')",
  "select * from read_json('/etc/passwd')",
  "select * from read_parquet('DIR/*.parquet')",
  "select * from parquet_metadata('DIR/result.parquet')",
  "select * from sniff_csv('DIR/secret.csv')",
  "select * from glob('DIR/*')",
  "select * from query('select * from read_text(''DIR/secret.csv'')')",
  "select * from query_table('DIR/secret.csv')",
  "select * from json_execute_serialized_sql(json_serialize_sql('select * from read_text(''DIR/secret.csv'')'))",
  "with t as (select * from read_text('DIR/secret.csv')) select * from t",
  "select (select content from read_text('DIR/secret.csv'))",
  "select * from read_csv('https://example.com/x.csv')",
  "select * from read_parquet('s3://bucket/x.parquet')",
  "select getenv('HOME')",
  "describe select * from read_csv('DIR/secret.csv')",
  "explain select * from read_csv('DIR/secret.csv')",
  "summarize 'DIR/secret.csv'",
])("%s reads nothing", async (statement) => {
  const result = await outcome(statement.replaceAll("DIR", dir));
  expect(result).toMatch(/^refused: /);
  expect(result).not.toContain("secret\n");
});

test("there are no secrets and no settings of ours to see", async () => {
  expect(await outcome("select name from duckdb_secrets()")).toBe("name\n");
});

test("the files of the segments named can be read, as the view does", async () => {
  expect(await outcome(`select * from read_csv('${dir}/own.csv')`)).toBe("a\nmine\n");
});

test.each([
  "select 1) TO 'DIR/evil.csv' --",
  "select 1; copy (select 1) to 'DIR/evil.csv'",
  "select 1 /* ",
  "select 1 -- )",
  "select '",
  "describe spans",
])("a Parquet result is the statement's or none: %s", async (statement) => {
  await outcome(statement.replaceAll("DIR", dir), "parquet");
  expect(existsSync(join(dir, "evil.csv"))).toBe(false);
});

test("nothing was written beside what the test made", async () => {
  const names = await readdir(dir);
  expect(names.filter((name) => name !== "tmp").sort()).toEqual([
    "own.csv",
    "result.parquet",
    "secret.csv",
  ]);
});

test("deep nesting and long texts are refused, not fatal", async () => {
  expect(await outcome(`select ${"(".repeat(20_000)}1${")".repeat(20_000)}`)).toMatch(/^refused: /);
  expect(await outcome(`select ${"1+".repeat(200_000)}1`)).toMatch(/^refused: /);
  expect(await outcome("select $1")).toContain("parameters");
});
