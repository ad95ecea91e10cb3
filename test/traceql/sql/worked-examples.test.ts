import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import type { FieldExpr } from "../../../src/traceql/ast.ts";
import { checkQuery } from "../../../src/traceql/check/check.ts";
import { parseQuery, parseTagName } from "../../../src/traceql/parser.ts";
import { planSearch, type SearchTree } from "../../../src/traceql/plan/search-plan.ts";
import { decodeEchoValue, fieldToSql } from "../../../src/traceql/sql/field.ts";
import { filterToSql } from "../../../src/traceql/sql/filter.ts";
import { mayMatch } from "../../../src/traceql/sql/prune.ts";
import { shapeOf } from "../../../src/traceql/sql/segment-shape.ts";
import {
  A_SPAN,
  arrayOf,
  createStoredTable,
  type Database,
  openTestDatabase,
  type TestSpan,
} from "./stored-table.ts";

const MS = 1_000_000n;
const T1 = {
  ...A_SPAN,
  traceId: "a1".padStart(32, "0"),
  traceDuration: 1000n * MS,
  rootName: "GET /cart",
  rootService: "shop",
};
const at = (ms: bigint) => A_SPAN.start + ms * MS;
const SHOP = { "service.name": "shop", region: "eu" };

const SPANS: readonly TestSpan[] = [
  {
    ...T1,
    label: "S1",
    spanId: 0x11n,
    name: "GET /cart",
    resource: SHOP,
    kind: 2,
    duration: 1000n * MS,
    attributes: { code: 200n, flag: true, tags: arrayOf("a", "b") },
    nested: [1, 10, -1],
    childCount: 2,
  },
  {
    ...T1,
    label: "S2",
    spanId: 0x12n,
    parentSpanId: 0x11n,
    name: "auth",
    resource: { "service.name": "auth", region: "eu" },
    kind: 3,
    status: 1,
    start: at(50n),
    duration: 200n * MS,
    attributes: { code: 200n, retry: 1n, region: "override" },
    nested: [2, 3, 1],
  },
  {
    ...T1,
    label: "S3",
    spanId: 0x13n,
    parentSpanId: 0x11n,
    name: "pay",
    resource: { "service.name": "pay", region: "us" },
    kind: 3,
    status: 2,
    statusMessage: "declined",
    start: at(300n),
    duration: 500n * MS,
    attributes: { code: 502n, retry: 3n, tags: arrayOf("b", "c") },
    nested: [4, 9, 1],
    childCount: 2,
    events: [
      { name: "exception", time: at(320n), attributes: { "exc.type": "Timeout" } },
      { name: "log", time: at(330n), attributes: { level: "warn" } },
    ],
  },
  {
    ...T1,
    label: "S4",
    spanId: 0x14n,
    parentSpanId: 0x13n,
    name: "db.query",
    resource: { "service.name": "pay", region: "us" },
    kind: 3,
    start: at(320n),
    duration: 100n * MS,
    attributes: { rows: 1.5 },
    nested: [5, 6, 4],
  },
  {
    ...T1,
    label: "S5",
    spanId: 0x15n,
    parentSpanId: 0x13n,
    name: "db.query",
    resource: { "service.name": "pay", region: "us" },
    kind: 3,
    status: 2,
    start: at(450n),
    duration: 300n * MS,
    attributes: { retry: 2n, flag: false },
    nested: [7, 8, 4],
  },
  {
    ...T1,
    label: "S6",
    spanId: 0x16n,
    parentSpanId: 0x19n,
    name: "late",
    resource: { "service.name": "mail" },
    kind: 5,
    start: at(900n),
    duration: 50n * MS,
    attributes: { code: "200" },
    links: [{ traceId: "b2".padStart(32, "0"), spanId: 7n, attributes: { ref: "x" } }],
  },
  {
    ...A_SPAN,
    label: "S7",
    traceId: "b2".padStart(32, "0"),
    spanId: 0x17n,
    name: "GET /cart",
    resource: SHOP,
    kind: 2,
    status: 1,
    start: at(61_000n),
    duration: 2n * MS,
    traceDuration: 2n * MS,
    rootName: "GET /cart",
    rootService: "shop",
    attributes: { code: 500n },
    nested: [1, 2, -1],
  },
];

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
    meta = await createStoredTable(db, "spans", SPANS, dedication);
  });
  afterAll(() => db.close());

  async function matching(expr: FieldExpr, plan: ReturnType<typeof planSearch>): Promise<string[]> {
    const condition = filterToSql(expr, shapeOf(meta, plan.fields)).text;
    const rows = await db.rows(`SELECT label FROM spans WHERE ${condition} ORDER BY label`);
    return rows.map(([label]) => String(label));
  }

  test.each(CASES)("%s", async (text, labels) => {
    const query = parseQuery(text);
    checkQuery(query);
    const plan = planSearch(query);
    const found = await matching(plan.leaves[0]!, plan);
    expect(found.join(" ")).toBe(labels);
    if (labels !== "") expect(mayMatch(plan.leaves[0]!, meta)).toBe(true);
  });

  /** Spans by trace, as a search combines them. */
  async function search(text: string): Promise<string> {
    const query = parseQuery(text);
    checkQuery(query);
    const plan = planSearch(query);
    const leaves = await Promise.all(plan.leaves.map((leaf) => matching(leaf, plan)));
    const found: string[] = [];
    for (const trace of new Set(SPANS.map((span) => span.traceId))) {
      const labels = new Set(SPANS.filter((s) => s.traceId === trace).map((s) => s.label));
      const of = (tree: SearchTree): string[] => {
        if (tree.type === "leaf") return leaves[tree.index]!.filter((label) => labels.has(label));
        const left = of(tree.left);
        const right = of(tree.right);
        if (tree.type === "and" && (left.length === 0 || right.length === 0)) return [];
        return [...left, ...right];
      };
      found.push(...of(plan.tree));
    }
    return [...new Set(found)].sort().join(" ");
  }

  test.each([
    ['{ status = error } && { name = "auth" }', "S2 S3 S5"],
    ['{ status = error } && { name = "nope" }', ""],
    ["{ status = error } || { span.code = 500 }", "S3 S5 S7"],
    ["({ status = error } || { span.code = 500 }) && { kind = server }", "S1 S3 S5 S7"],
    ["{ status = error } | select(span.retry, resource.service.name)", "S3 S5"],
    ["{ status = error } | rate()", "S3 S5"],
  ])("%s", async (text, labels) => {
    expect(await search(text)).toBe(labels);
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
