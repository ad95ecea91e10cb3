import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import type { FieldExpr } from "../../../src/traceql/ast.ts";
import { checkQuery } from "../../../src/traceql/check/check.ts";
import { parseQuery, parseTagName } from "../../../src/traceql/parser.ts";
import type { Pipeline } from "../../../src/traceql/plan/pipeline.ts";
import { planPipeline } from "../../../src/traceql/plan/plan-pipeline.ts";
import { decodeEchoValue, fieldToSql } from "../../../src/traceql/sql/field.ts";
import { filterToSql } from "../../../src/traceql/sql/filter.ts";
import { mayMatch } from "../../../src/traceql/sql/prune.ts";
import { shapeOf } from "../../../src/traceql/sql/segment-shape.ts";
import { createStoredTable, type Database, openTestDatabase } from "./stored-table.ts";
import { WORKED_SPANS } from "./worked-spans.ts";

const CASES = readFileSync(new URL("../../corpus/traceql/filters.tsv", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split("\t") as [string, string]);

describe.each([
  ["dedicated columns", () => true],
  ["overflow maps", () => false],
])("the worked examples, attributes in %s", (_name, dedication) => {
  let db: Database;
  let meta: SegmentMeta;
  beforeAll(async () => {
    db = await openTestDatabase();
    meta = await createStoredTable(db, "spans", WORKED_SPANS, dedication);
  });
  afterAll(() => db.close());

  async function matching(expr: FieldExpr, plan: Pipeline): Promise<string[]> {
    const condition = filterToSql(expr, shapeOf(meta, plan.fields)).text;
    const rows = await db.rows(`SELECT label FROM spans WHERE ${condition} ORDER BY label`);
    return rows.map(([label]) => String(label));
  }

  test.each(CASES)("%s", async (text, labels) => {
    const query = parseQuery(text);
    checkQuery(query);
    const plan = planPipeline(query);
    const found = await matching(plan.leaves[0]!, plan);
    expect(found.join(" ")).toBe(labels);
    if (labels !== "") expect(mayMatch(plan.leaves[0]!, meta)).toBe(true);
  });

  test.each([
    ["span.code", "S1", { intValue: "200" }],
    ["span.code", "S6", { stringValue: "200" }],
    ["span.code", "S4", undefined],
    ["span.rows", "S4", { doubleValue: 1.5 }],
    ["span.flag", "S5", { boolValue: false }],
    [".region", "S2", { stringValue: "override" }],
    [".region", "S1", { stringValue: "eu" }],
    [".region", "S6", undefined],
    [".service.name", "S6", { stringValue: "mail" }],
    ["resource.service.name", "S3", { stringValue: "pay" }],
    ["span.tags", "S3", { arrayValue: { values: [{ stringValue: "b" }, { stringValue: "c" }] } }],
    ["status", "S3", { stringValue: "error" }],
    ["kind", "S6", { stringValue: "consumer" }],
    ["duration", "S1", { stringValue: "1s" }],
    ["nestedSetParent", "S1", { intValue: "-1" }],
    ["nestedSetLeft", "S6", { intValue: "0" }],
    ["span:childCount", "S3", { intValue: "2" }],
    ["span:parentID", "S4", { stringValue: "0000000000000013" }],
    ["span:parentID", "S1", { stringValue: "0000000000000000" }],
    ["trace:id", "S1", { stringValue: "a1" }],
    ["event:name", "S3", { stringValue: "exception" }],
    ["event:name", "S1", undefined],
    ["event:timeSinceStart", "S3", { stringValue: "20ms" }],
    ["event.level", "S3", { stringValue: "warn" }],
    ["event.level", "S1", undefined],
    ["link.ref", "S6", { stringValue: "x" }],
    ["link:traceID", "S6", { stringValue: "b2" }],
    ["link:spanID", "S6", { stringValue: "0000000000000007" }],
    ["span.missing", "S1", undefined],
  ])("the echo of %s on %s", async (text, label, expected) => {
    const field = parseTagName(text);
    const echo = fieldToSql(field, shapeOf(meta, [field]));
    if (echo === undefined) {
      expect(expected).toBeUndefined();
      return;
    }
    const rows = await db.rows(`SELECT ${echo.text} FROM spans WHERE label = '${label}'`);
    expect(decodeEchoValue(rows[0]![0], field)).toEqual(expected);
  });
});
