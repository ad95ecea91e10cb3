import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quoteIdentifier, quoteLiteral, sql } from "../../../src/traceql/sql/sql.ts";
import { type Database, openTestDatabase } from "./stored-table.ts";

let db: Database;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close());

async function one(text: string): Promise<unknown> {
  return (await db.rows(`SELECT ${text}`))[0]![0];
}

test("strings come back as they were, whatever they hold", async () => {
  const piece = fc.constantFrom(
    "'",
    '"',
    "\\",
    "\0",
    "--",
    ";",
    "$$",
    "{}",
    "é",
    "😀",
    "\n",
    "x",
    "\u{ffff}",
  );
  const text = fc.oneof(
    fc.array(piece).map((parts) => parts.join("")),
    fc.string({ unit: "binary" }),
  );
  await fc.assert(
    fc.asyncProperty(text, async (value) => {
      expect(await one(quoteLiteral(value))).toBe(value.toWellFormed());
    }),
    { numRuns: 120 },
  );
}, 60_000);

test("lone surrogates become the replacement character", async () => {
  expect(await one(quoteLiteral("a\ud800b"))).toBe("a\ufffdb");
});

test("numbers come back exactly", async () => {
  await fc.assert(
    fc.asyncProperty(fc.double(), async (value) => {
      expect(await one(quoteLiteral(value))).toBe(value);
    }),
    { numRuns: 120 },
  );
  for (const value of [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
    expect(await one(`CAST(0 AS BIGINT) -${quoteLiteral(-1n)}`)).toBe(1n);
    expect(await one(`CAST(${quoteLiteral(value)} AS BIGINT)`)).toBe(value);
  }
});

test("other values", async () => {
  expect(await one(quoteLiteral(true))).toBe(true);
  expect(await one(`octet_length(${quoteLiteral(Uint8Array.of(0, 39, 92, 255))})`)).toBe(4n);
  expect(await one(`CAST(${quoteLiteral({ uuid: "F".repeat(32) })} AS VARCHAR)`)).toBe(
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
  );
  expect(() => quoteLiteral({ uuid: "'; DROP TABLE spans" })).toThrow("32 hexadecimal digits");
});

test("identifiers hold any name but a NUL", async () => {
  const name = 'a"b; DROP TABLE spans -- \\ é';
  await db.run(`CREATE OR REPLACE TABLE t (${quoteIdentifier(name).text} INTEGER)`);
  await db.run("INSERT INTO t VALUES (5)");
  const rows = await db.rows(`SELECT ${quoteIdentifier(name).text} FROM t`);
  expect(rows).toEqual([[5]]);
  expect(() => quoteIdentifier("a\0b")).toThrow();
});

test("the tag splices SQL and quotes all else", () => {
  expect(sql`${quoteIdentifier("a")} = ${"'x'"} AND ${5n} < ${sql`b`}`.text).toBe(
    "\"a\" = '''x''' AND 5 < b",
  );
});
