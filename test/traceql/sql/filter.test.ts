import { describe, expect, test } from "vitest";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { checkQuery } from "../../../src/traceql/check/check.ts";
import { parseQuery } from "../../../src/traceql/parser.ts";
import { filterToSql } from "../../../src/traceql/sql/filter.ts";
import { mayMatch } from "../../../src/traceql/sql/prune.ts";
import { shapeOf } from "../../../src/traceql/sql/segment-shape.ts";
import { fieldsOf } from "../../../src/traceql/walk.ts";
import {
  A_SPAN,
  arrayOf,
  createStoredTable,
  openTestDatabase,
  type TestSpan,
} from "./stored-table.ts";

const SPANS: readonly TestSpan[] = [
  {
    ...A_SPAN,
    name: "n",
    kind: 2,
    attributes: { "http.status_code": 500n, f: 1.5, s: "x", both: "x", t: arrayOf("a") },
    resource: { "service.name": "shop", both: "y", env: "prod" },
  },
];

async function metaOf(dedicated: boolean, spans = SPANS): Promise<SegmentMeta> {
  const db = await openTestDatabase();
  try {
    return await createStoredTable(db, "spans", spans, () => dedicated);
  } finally {
    db.close();
  }
}

function filterOf(text: string) {
  const query = parseQuery(text);
  checkQuery(query);
  const stage = query.stages[0];
  if (stage?.type !== "filter") throw new Error("no filter");
  return stage.expr;
}

function compiled(text: string, meta: SegmentMeta): string {
  const expr = filterOf(text);
  return filterToSql(expr, shapeOf(meta, fieldsOf(expr))).text;
}

describe("common filters compile to predicates that a scan can use", () => {
  test.each([
    ["{}", "TRUE"],
    ["{ false }", "FALSE"],
    ["{ span.http.status_code >= 500 }", '("span.http.status_code" >= 500)'],
    ["{ 500 <= span.http.status_code }", '("span.http.status_code" >= 500)'],
    ["{ .http.status_code = 500 }", '("span.http.status_code" = 500)'],
    ["{ span.http.status_code > 499.5 }", '("span.http.status_code" > 499)'],
    ["{ resource.service.name = `x` }", "(\"service_name\" = 'x')"],
    ["{ .service.name = `x` }", "(\"service_name\" = 'x')"],
    ["{ name = `a` || name = `b` }", "list_contains(['a', 'b'], \"name\")"],
    ["{ kind = server || kind = client }", 'list_contains([2, 3], "kind")'],
    ["{ span.s =~ `a|b` }", "list_contains(['a', 'b'], \"span.s\")"],
    ["{ span.s =~ `abc` }", "(\"span.s\" = 'abc')"],
    ["{ span.s =~ `/api.*` }", "starts_with(\"span.s\", '/api')"],
    ["{ span.s =~ `.*err.*` }", "contains(\"span.s\", 'err')"],
    ["{ span.s =~ `a.c` }", "regexp_full_match(\"span.s\", 'a.c', 's')"],
    ["{ nestedSetParent < 0 && true }", '("nested_parent" < 0)'],
    ["{ duration > 1s && status = error }", '(("duration_ns" > 1000000000) AND ("status" = 2))'],
    ["{ !(kind = client) }", '(NOT ("kind" = 3))'],
    ["{ !(span.s = `x`) }", "(NOT COALESCE((\"span.s\" = 'x'), FALSE))"],
    ["{ span.s = 5 }", "FALSE"],
    ["{ span.missing = 5 }", "FALSE"],
    ["{ span.missing = nil }", "TRUE"],
    ["{ span.s != nil }", '("span.s" IS NOT NULL)'],
    ["{ event.x = 1 }", "FALSE"],
    ["{ .both = `x` }", '(COALESCE("span.both", "resource.both") = \'x\')'],
    ["{ trace:id = `FF` }", "(\"trace_id\" = CAST('000000000000000000000000000000ff' AS UUID))"],
  ])("%s", async (text, expected) => {
    expect(compiled(text, await metaOf(true))).toBe(expected);
  });

  test("without own columns the maps are read", async () => {
    expect(compiled("{ span.s = `x` }", await metaOf(false))).toBe(
      "(\"span_attr_str\"['s'] = 'x')",
    );
  });
});

test("a chain of thousands of conditions runs", async () => {
  const db = await openTestDatabase();
  try {
    const meta = await createStoredTable(db, "spans", SPANS, () => true);
    for (const op of ["&&", "||"]) {
      const text = `{ ${Array.from({ length: 2400 }, (_, i) => `span.f != ${i}`).join(` ${op} `)} }`;
      const condition = compiled(text, meta);
      expect(await db.rows(`SELECT count(*) FROM spans WHERE ${condition}`)).toEqual([[1n]]);
    }
  } finally {
    db.close();
  }
}, 60_000);

test("the deepest expression that the checker lets pass runs", async () => {
  const db = await openTestDatabase();
  try {
    const meta = await createStoredTable(
      db,
      "spans",
      [...SPANS, { ...A_SPAN, attributes: { f: 2n, t: 1n } }],
      () => false,
    );
    const sum = `{ ${Array.from({ length: 46 }, () => "span.f").join(" + ")} > 1 }`;
    const power = `{ ${Array.from({ length: 46 }, () => "span.f").join(" ^ ")} > 1 }`;
    const mixed = `{ ${Array.from({ length: 23 }, () => "!(span.f = 1 && !(span.f = 2 ||").join("")} span.f ${"))".repeat(23)} }`;
    for (const text of [sum, power, mixed.replaceAll("!(", "(")]) {
      const condition = compiled(text, meta);
      await db.rows(`SELECT count(*) FROM spans WHERE ${condition}`);
    }
  } finally {
    db.close();
  }
}, 60_000);

test("a query whose SQL would be too long is a clear error", async () => {
  const many = [
    {
      ...A_SPAN,
      attributes: { t: arrayOf("a") },
      resource: { t: arrayOf("b") },
    },
    { ...A_SPAN, attributes: { t: "a" } },
  ];
  const meta = await metaOf(false, many);
  const text = `{ ${Array.from({ length: 3000 }, () => ".t = .t").join(" && ")} }`;
  expect(() => compiled(text, meta)).toThrow("query too large");
});

describe("shapes", () => {
  test("segments with the same homes of the fields asked for share a key", async () => {
    const fields = fieldsOf(filterOf("{ span.s = `x` }"));
    const own = await metaOf(true);
    const other = await metaOf(true, [{ ...SPANS[0]!, attributes: { s: "z", more: 5n } }]);
    const maps = await metaOf(false);
    expect(shapeOf(own, fields).key).toBe(shapeOf(other, fields).key);
    expect(shapeOf(own, fields).key).not.toBe(shapeOf(maps, fields).key);
  });
});

describe("pruning", () => {
  test.each([
    ["{ span.missing = 1 }", false],
    ["{ span.missing = nil }", true],
    ["{ span.missing != nil }", false],
    ["{ !(span.missing = 1) }", true],
    ["{ .env = `prod` }", true],
    ["{ .env = `dev` }", false],
    ["{ resource.env != `prod` }", false],
    ["{ span.http.status_code > 500 }", false],
    ["{ span.http.status_code >= 500.0 }", true],
    ["{ kind = client }", false],
    ["{ kind = server }", true],
    ["{ name = `other` }", false],
    ["{ resource.service.name = `other` }", false],
    ["{ resource.service.name =~ `oth.*` }", false],
    ["{ resource.service.name =~ `sh.*p` }", true],
    ["{ resource.service.name =~ `s[a-z]+` }", true],
    ["{ resource.service.name =~ `x[a-z]+` }", true],
    ["{ .env =~ `prod|dev` }", true],
    ["{ .env =~ `.*dev.*` }", false],
    ["{ .env !~ `prod` }", false],
    ["{ .env !~ `dev` }", true],
    ["{ instrumentation:name = `` }", true],
    ["{ resource.service.name = `shop` && span.missing = 1 }", false],
    ["{ resource.service.name = `shop` || span.missing = 1 }", true],
    ["{ event:name = `x` }", true],
    ["{ event.x = 1 }", false],
    ["{ span.t = `q` }", true],
    ["{ span.s = 5 }", false],
    ["{ span.f + 1 > 1000 }", true],
    ["{ .service.name = `other` }", true],
  ])("%s may match: %s", async (text, expected) => {
    expect(mayMatch(filterOf(text), await metaOf(true))).toBe(expected);
  });
});

test("the id of a link that has none is zero", async () => {
  const link = { traceId: "0".repeat(31).concat("1"), attributes: {} };
  const spans: readonly TestSpan[] = [
    { ...A_SPAN, label: "without", links: [{ ...link, spanId: 0n }] },
    { ...A_SPAN, label: "with", links: [{ ...link, spanId: 7n }] },
  ];
  const db = await openTestDatabase();
  try {
    const meta = await createStoredTable(db, "spans", spans, () => false);
    const found = async (text: string) =>
      (await db.rows(`SELECT label FROM spans WHERE ${compiled(text, meta)}`)).flat();
    expect(await found("{ link:spanID = `0000000000000000` }")).toEqual(["without"]);
    expect(await found("{ link:spanID != `0` }")).toEqual(["with"]);
  } finally {
    db.close();
  }
});

test("two fields of every type are compared by name, not each text with each", async () => {
  const kinds = ["x", 1n, 1.5, true, arrayOf("a")];
  const spans = kinds.map((value) => ({
    ...A_SPAN,
    attributes: { a: value, b: value },
    resource: { a: value, b: value },
  }));
  const meta = await metaOf(false, spans);
  expect(compiled("{ .a = `x` }", meta).length).toBeGreaterThan(1000);
  expect(compiled("{ .a = .b }", meta).length).toBeLessThan(25_000);
});
