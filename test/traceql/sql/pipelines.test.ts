import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { found, type StoredTable, spansetsOf } from "./run-pipeline.ts";
import { createStoredTable, openTestDatabase } from "./stored-table.ts";
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

  test.each(CASES)("%s", async (query, expected) => {
    const spansets = await spansetsOf(stored, query);
    expect(spansets.join("; ")).toBe(expected);
    const labels = spansets.flatMap((spanset) => spanset.replace(/ \[.*/, "").split(" "));
    expect(await found(stored, query, "spans")).toEqual(labels.sort());
    const traces = new Set(labels.map((label) => (label === "S7" ? "b2" : "a1")));
    expect(await found(stored, query, "traces")).toEqual([...traces].sort());
  });
});
