import { expect, test } from "vitest";
import type { KeyStats } from "../../../src/schema/segment-meta.ts";
import type { ValueNeed } from "../../../src/schema/value-need.ts";
import type { FieldExpr } from "../../../src/traceql/ast.ts";
import { parseQuery } from "../../../src/traceql/parser.ts";
import { neededValues } from "../../../src/traceql/sql/needed-values.ts";
import { shapeOf } from "../../../src/traceql/sql/segment-shape.ts";
import { fieldsOf } from "../../../src/traceql/walk.ts";
import { bytesToHex } from "../../../src/util/hex.ts";

const open = { count: 1, distinct: 1000, values: [], complete: false };
/** A segment's keys: `user` has columns, `rare` rests in the maps, `tags` is an array too. */
const KEYS: readonly KeyStats[] = [
  { scope: "intrinsic", key: "name", type: "string", ...open, dedicated: true },
  { scope: "intrinsic", key: "service_name", type: "string", ...open, dedicated: true },
  { scope: "span", key: "user", type: "string", ...open, dedicated: true },
  { scope: "span", key: "user", type: "int", ...open, dedicated: false },
  { scope: "resource", key: "user", type: "string", ...open, dedicated: true },
  { scope: "span", key: "rare", type: "string", ...open, dedicated: false },
  { scope: "span", key: "tags", type: "string", ...open, dedicated: true },
  { scope: "span", key: "tags", type: "json", ...open, dedicated: false },
  { scope: "span", key: "n", type: "int", ...open, dedicated: true },
  { scope: "resource", key: "n", type: "double", ...open, dedicated: true },
  { scope: "span", key: "size", type: "int", ...open, dedicated: false },
  { scope: "span", key: "ports", type: "int", ...open, dedicated: true },
  { scope: "span", key: "ports", type: "json", ...open, dedicated: false },
  { scope: "instrumentation", key: "lib", type: "string", ...open, dedicated: false },
  {
    scope: "span",
    key: "tier",
    type: "string",
    ...open,
    values: ["gold", "tin"],
    complete: true,
    dedicated: true,
  },
  {
    scope: "span",
    key: "code",
    type: "int",
    ...open,
    values: ["200", "404"],
    complete: true,
    dedicated: true,
  },
];
const META = {
  keys: KEYS,
  optionalColumns: [
    ...["span.user", "resource.user", "span.tags", "span.n", "span.tier"],
    ...["resource.n", "span.ports", "span.code"],
    ...["span_attr_str", "span_attr_int", "span_attr_json", "scope_attr_str"],
  ],
};

function filterOf(query: string): FieldExpr {
  const [stage] = parseQuery(query).stages;
  if (stage?.type !== "filter") throw new Error(`not a filter: ${query}`);
  return stage.expr;
}

/** `span.user=x | (a & span.n=3..7)`; `?` where nothing is known, `-` for never. */
function shown(need: ValueNeed | undefined): string {
  if (need === undefined) return "?";
  if (need.type === "range") return `${need.column}=${need.min}..${need.max}`;
  if (need.type !== "value") {
    const parts = need.of.map(shown);
    return parts.length === 0 ? "-" : `(${parts.join(need.type === "all" ? " & " : " | ")})`;
  }
  const { column, bytes } = need;
  const text = column === "trace_id" ? bytesToHex(bytes) : new TextDecoder().decode(bytes);
  return `${column}=${text}`;
}

function needOf(query: string, exact = true): string {
  const expr = filterOf(query);
  return shown(neededValues(expr, { shape: shapeOf(META, fieldsOf(expr)), keys: KEYS, exact }));
}

test.each([
  // Where a text may be.
  ["{ span.user = `x` }", "span.user=x"],
  ["{ `x` = span.user }", "span.user=x"],
  ["{ resource.user = `x` }", "resource.user=x"],
  ["{ .user = `x` }", "(span.user=x | resource.user=x)"],
  ["{ span.user = `` }", "span.user="],
  ["{ span.user = `é🧵` }", "span.user=é🧵"],
  ["{ name = `GET /` }", "name=GET /"],
  ["{ resource.service.name = `shop` }", "service_name=shop"],
  ["{ .service.name = `shop` }", "service_name=shop"],
  ["{ span.user = `x` && span.n > 3 }", "(span.user=x & span.n=4..Infinity)"],
  // Elsewhere it may be as well, or nobody knows.
  ["{ span.rare = `x` }", "?"],
  ["{ span.tags = `x` }", "?"],
  ["{ .rare = `x` }", "?"],
  ["{ instrumentation.lib = `x` }", "?"],
  ["{ event.user = `x` }", "?"],
  ["{ parent.span.user = `x` }", "?"],
  ["{ rootName = `x` }", "?"],
  ["{ statusMessage = `x` }", "?"],
  ["{ name = `` }", "?"],
  ["{ resource.service.name = `` }", "?"],
  ["{ span.user = 3 }", "?"],
  ["{ span.user != `x` }", "?"],
  ["{ span.user > `x` }", "?"],
  ["{ !(span.user = `x`) }", "?"],
  ["{ (span.user = `x`) = false }", "?"],
  ["{ span.user = resource.user }", "?"],
  ["{ span.user != nil }", "?"],
  ["{ status = error }", "?"],
  ["{ true }", "?"],
  // Nowhere.
  ["{ span.absent = `x` }", "-"],
  ["{ span.n = `x` }", "-"],
  ["{ false }", "-"],
  // What the catalog lists need not be asked for.
  ["{ span.tier = `gold` }", "?"],
  ["{ span.tier = `lead` }", "-"],
  ["{ span.tier = `lead` || span.user = `x` }", "span.user=x"],
  ["{ span.tier =~ `lead|iron` }", "-"],
  // Together.
  ["{ span.user = `x` && name = `n` }", "(span.user=x & name=n)"],
  ["{ span.user = `x` && (name = `a` || name = `b`) }", "(span.user=x & (name=a | name=b))"],
  ["{ span.user = `x` || span.rare = `y` }", "?"],
  ["{ span.user = `x` && span.rare = `y` }", "span.user=x"],
  ["{ span.user = `x` || span.absent = `y` }", "span.user=x"],
  ["{ span.user = `x` && span.absent = `y` }", "-"],
  [
    "{ span.user = `a` || span.user = `b` || span.user = `c` }",
    "(span.user=a | span.user=b | span.user=c)",
  ],
  // Patterns that are texts.
  ["{ span.user =~ `x` }", "span.user=x"],
  ["{ span.user =~ `x|y` }", "(span.user=x | span.user=y)"],
  ["{ name =~ `x|y` }", "(name=x | name=y)"],
  ["{ span.user =~ `x.*` }", "?"],
  ["{ span.user !~ `x` }", "?"],
  ["{ trace:id =~ `1` }", "?"],
  // Ids are numbers.
  ["{ trace:id = `1F` }", `trace_id=${"1f".padStart(32, "0")}`],
  ["{ trace:id = `nothing` }", "-"],
  ["{ span:id = `1` }", "?"],
])("%s needs %s", (query, wanted) => {
  expect(needOf(query)).toBe(wanted);
});

test.each([
  // Where a number may be; the other side of it, too.
  ["{ duration > 100h }", "duration_ns=360000000000001..Infinity"],
  ["{ 1s >= duration }", "duration_ns=-Infinity..1000000000"],
  ["{ duration = 1ms }", "duration_ns=1000000..1000000"],
  ["{ duration > 1ms && duration <= 2ms }", ranges("1000001..Infinity", "-Infinity..2000000")],
  ["{ duration < 1.5 }", `duration_ns=-Infinity..${1.5 - 2 ** -52}`],
  ["{ span.n > 3 }", "span.n=4..Infinity"],
  ["{ span.n >= 3 }", "span.n=3..Infinity"],
  ["{ span.n < 3 }", "span.n=-Infinity..2"],
  ["{ span.n <= 3 }", "span.n=-Infinity..3"],
  ["{ span.n = -3 }", "span.n=-3..-3"],
  ["{ 3 > span.n }", "span.n=-Infinity..2"],
  ["{ 3 <= span.n }", "span.n=3..Infinity"],
  ["{ span.n > 2 * 3s }", `span.n=${6e9 + 2 ** -20}..Infinity`],
  ["{ span.n > 1.5 }", `span.n=${1.5 + 2 ** -52}..Infinity`],
  ["{ resource.n > 3 }", `resource.n=${3 + 2 ** -51}..Infinity`],
  ["{ resource.n = 0.1 }", "resource.n=0.1..0.1"],
  ["{ .n = 3 }", "(span.n=3..3 | resource.n=3..3)"],
  ["{ span.n > 1 || span.n < -1 }", "(span.n=2..Infinity | span.n=-Infinity..-2)"],
  // Elsewhere it may be as well, or nobody knows.
  ["{ span.n != 3 }", "?"],
  ["{ !(span.n > 3) }", "?"],
  ["{ -span.n > 3 }", "?"],
  ["{ span.n + 1 > 3 }", "?"],
  ["{ (span.n > 3) = false }", "?"],
  ["{ span.n > resource.n }", "?"],
  ["{ span.n > 3 || duration != 3s }", "?"],
  ["{ span.size > 3 }", "?"],
  ["{ span.ports > 3 }", "?"],
  ["{ span.user > 3 }", "?"],
  ["{ traceDuration > 3s }", "trace_duration_ns=3000000001..Infinity"],
  ["{ span:childCount > 3 }", "child_count=4..Infinity"],
  ["{ nestedSetLeft < 3 }", "nested_left=-Infinity..2"],
  ["{ nestedSetRight = 3 }", "nested_right=3..3"],
  ["{ nestedSetParent = -1 }", "nested_parent=-1..-1"],
  ["{ event.n > 3 }", "?"],
  ["{ link.n > 3 }", "?"],
  ["{ parent.span.n > 3 }", "?"],
  ["{ event:timeSinceStart > 3s }", "?"],
  ["{ kind = server }", "?"],
  // Nowhere.
  ["{ span.absent > 3 }", "-"],
  ["{ resource.user > 3 }", "-"],
  ["{ resource.service.name > 3 }", "-"],
  // What the catalog lists need not be asked for.
  ["{ span.code > 300 }", "?"],
  ["{ span.code > 404 }", "-"],
  ["{ span.code = 404.0 }", "?"],
  ["{ span.code = 404.5 || span.n = 3 }", "span.n=3..3"],
])("%s needs %s", (query, wanted) => {
  expect(needOf(query)).toBe(wanted);
});

function ranges(...of: string[]): string {
  return `(${of.map((range) => `duration_ns=${range}`).join(" & ")})`;
}

test("very many values are not asked for", () => {
  const many = (count: number, op: string) =>
    `{ ${Array.from({ length: count }, (_, i) => `span.user = \`${i}\``).join(` ${op} `)} }`;
  expect(needOf(many(32, "||")).split("|")).toHaveLength(32);
  expect(needOf(many(33, "||"))).toBe("?");
  // Some of those that are all needed are enough.
  expect(needOf(many(100, "&&")).split("&")).toHaveLength(8);
});

test.each([
  ["{ traceDuration > 3s }", "?"],
  ["{ span:childCount > 3 }", "?"],
  ["{ nestedSetLeft < 3 }", "?"],
  ["{ nestedSetRight = 3 }", "?"],
  ["{ nestedSetParent = -1 }", "?"],
  ["{ traceDuration > 3s && duration > 2ns }", "duration_ns=3..Infinity"],
  ["{ traceDuration > 3s || duration > 2ns }", "?"],
])("where a trace lies in several segments %s needs %s", (query, wanted) => {
  expect(needOf(query, false)).toBe(wanted);
});
