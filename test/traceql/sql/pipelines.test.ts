import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { found, plan, type StoredTable, spansetsOf, statement } from "./run-pipeline.ts";
import { A_SPAN, createStoredTable, openTestDatabase } from "./stored-table.ts";
import { WORKED_SPANS } from "./worked-spans.ts";

const CASES = readFileSync(new URL("../../corpus/traceql/pipelines.tsv", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split("\t") as [string, string]);

describe.each([
  ["dedicated columns", () => true],
  ["overflow maps", () => false],
])("pipelines over the worked examples, attributes in %s", (_name, dedication) => {
  let stored: StoredTable;
  beforeAll(async () => {
    const db = await openTestDatabase();
    const meta = await createStoredTable(db, "spans", WORKED_SPANS, dedication);
    stored = { db, table: "spans", meta };
  });
  afterAll(() => stored.db.close());

  test.each([
    ...[">", ">>", "<", "<<", "~", "!>", "!>>", "!<", "!<<", "!~"].map(
      (op) => `{ span.code > 1 } ${op} { .region != nil }`,
    ),
    ...["&>", "&>>", "&<", "&<<", "&~"].map(
      (op) => `{ .a } | by(name) | {} ${op} { span.code > 1 }`,
    ),
    "{} | by(.region) | count() > 1 | { span.code > 1 } && { .region != nil }",
    "({} | by(.region) | count()) > ({ span.code > 1 } | count())",
    "{} | by(parent.code) | { parent.resource.region = `eu` }",
  ])("%s compares no rows pair by pair beyond their trace", async (query) => {
    const { text, relation } = statement(stored, plan(query), { output: "spansets" });
    const [row] = await stored.db.rows(`EXPLAIN ${text} SELECT * FROM ${relation}`);
    expect(String(row![1])).toMatch(/HASH_JOIN/);
    expect(String(row![1])).not.toMatch(
      /NESTED_LOOP|BLOCKWISE_NL|CROSS_PRODUCT|PIECEWISE_MERGE|IE_JOIN/,
    );
  });

  test.each(CASES)("%s", async (query, expected) => {
    const spansets = await spansetsOf(stored, query);
    expect(spansets.join("; ")).toBe(expected);
    const labels = spansets.flatMap((spanset) => spanset.replace(/ \[.*/, "").split(" "));
    expect(await found(stored, query, "spans")).toEqual(labels.sort());
    const traces = new Set(labels.map((label) => (label === "S7" ? "b2" : "a1")));
    expect(await found(stored, query, "traces")).toEqual([...traces].sort());
  });
});

describe("numbers at their bounds", () => {
  let stored: StoredTable;
  const values = [2n ** 63n - 1n, -(2n ** 63n), 0n, NaN, Infinity, -Infinity, 1.7e308, -1.7e308];
  beforeAll(async () => {
    const db = await openTestDatabase();
    const spans = values.flatMap((n, i) => {
      const traceId = (i + 1).toString(16).padStart(32, "0");
      const duration = typeof n === "bigint" ? n : 1n;
      const span = { ...A_SPAN, traceId, duration, attributes: { n } };
      // Traces with two equal values, and one with all of them.
      return [0, 1, 2].map((copy) => ({
        ...span,
        traceId: copy === 2 ? A_SPAN.traceId : traceId,
        label: `${i}.${copy}`,
      }));
    });
    const meta = await createStoredTable(db, "spans", spans, () => true);
    stored = { db, table: "spans", meta };
  });
  afterAll(() => stored.db.close());

  test.each(["n", "duration"])("no aggregate of %s fails", async (value) => {
    const text = value === "n" ? "span.n" : value;
    for (const fn of ["min", "max", "sum", "avg"]) {
      for (const op of ["+", "-", "*", "/", "%", "^"]) {
        const scalar = `${fn}(${text}) ${op} sum(${text}) ${op} count()`;
        await expect(spansetsOf(stored, `{} | ${scalar} != 5`)).resolves.toBeDefined();
        await expect(spansetsOf(stored, `{} | by(${text}) | ${scalar} > 0`)).resolves.toBeDefined();
      }
    }
  });

  test.each([
    [
      "{ span.n > 0 } | sum(span.n) >= 9223372036854775807",
      "0.0 0.1 [sum(span.n)=9223372036854775807]",
    ],
    ["{} | sum(span.n) <= -9223372036854775807", "1.0 1.1 [sum(span.n)=-9223372036854775808]"],
    ["{} | sum(duration) >= 2562047h", "0.0 0.1 [sum(duration)=2562047h47m16.854775807s]"],
    ["{} | avg(duration) >= 2562047h", "0.0 0.1 [avg(duration)=2562047h47m16.854775807s]"],
    ["{} | sum(span.n) = -0.0", "2.0 2.1 [sum(span.n)=0]"],
    [
      "{} | sum(span.n) != 1 | min(span.n) > 1e308",
      "4.0 4.1 [sum(span.n)=Infinity, min(span.n)=Infinity]",
    ],
  ])("%s", async (query, expected) => {
    expect((await spansetsOf(stored, query)).filter((set) => !set.includes(".2"))).toContain(
      expected,
    );
  });
});
