import type { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseQuery } from "../../src/traceql/parser.ts";
import { apiOf } from "../api/api-fixture.ts";
import { WORKED } from "../differential/worked-data.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../support/batch-builder.ts";
import type { PlainSpan } from "../support/read-batch.ts";
import { SegmentStore } from "./segment-store.ts";

/** What the language refuses (§6.1 to §6.3 of its description), and a word of the reason. */
const REFUSED: readonly (readonly [query: string, reason: string])[] = [
  // Syntax.
  ["{", "parse error at line 1, col 2"],
  ["{ .a = }", "unexpected"],
  ["{ .a = 'x' }", "parse error"],
  ["{ .a == 1 }", "unexpected"],
  ["{ foo = 1 }", "unknown identifier"],
  ["{ .a = 1 and .b = 2 }", "parse error"],
  ["{ .a = 99999999999999999999 }", "out of range"],
  ['{ .a = "x }', "parse error"],
  ['{ .a = "\\d" }', "parse error"],
  ['{ ."a\\x" = 1 }', "parse error"],
  ['{ span."a = 1 }', "parse error"],
  ["{ span. a = 1 }", "parse error"],
  ["{ .a > nil }", "parse error"],
  ["{} | count()", "parse error"],
  ["{} | coalesce", "parse error"],
  ["coalesce()", "parse error"],
  ['{} | count() > "x"', "parse error"],
  ["{} | count() > true", "parse error"],
  ["{} | by(.a, .b)", "parse error"],
  ["{} | by(nil)", "parse error"],
  ["{} | select()", "parse error"],
  ["{} | topk(3)", "parse error"],
  ["{} & {}", "parse error"],
  ["{} >= {}", "parse error"],
  ["{ .a = 5mb }", "parse error"],
  ["{ .a = [1] }", "parse error"],
  ["{ trace:name = `x` }", "parse error"],
  ["{ childCount = 1 }", "parse error"],
  ["({} | count() > 1) | count() > 1", "parse error"],
  ["{} with(a=)", "parse error"],
  ["{} with(by=1)", "parse error"],
  ["{} | compare({}, 1, 2)", "parse error"],
  ["{} | quantile_over_time(duration)", "parse error"],
  ["{} | rate(duration)", "parse error"],
  // Types.
  ["{ span.a + 2 }", "must be boolean"],
  ["{ duration }", "must be boolean"],
  ["{ 5s }", "must be boolean"],
  ["{ name > 7 }", "same type"],
  ['{ kind = "client" }', "same type"],
  ['{ 1 + "x" > 0 }', "same type"],
  ["{ status >= error }", "illegal operation"],
  ["{ span.a =~ 5 }", "illegal operation"],
  ["{ true > false }", "illegal operation"],
  ['{ "a" && "b" }', "illegal operation"],
  ['{ -name = "x" }', "illegal operation"],
  ["{ !5 }", "illegal operation"],
  ["{ !(span.a + 2) }", "illegal operation"],
  ["{ -error = status }", "illegal operation"],
  ['{ name =~ "(" }', "invalid regex"],
  ['{ name =~ "(?=a)" }', "invalid regex"],
  ['{ name =~ "(a)\\\\1" }', "invalid regex"],
  ['{ "x" =~ span.a }', "string literal"],
  ["{ span.a =~ span.b }", "string literal"],
  ["{ kind = nil }", "cannot be nil"],
  ["{ nil = event:name }", "cannot be nil"],
  ["{ resource.service.name = nil }", "cannot be nil"],
  ["{ nil = resource.service.name }", "cannot be nil"],
  ["by(5)", "must reference the span"],
  ['by("x" = "y")', "must reference the span"],
  ["{} | max(name) > 1", "must be numeric"],
  ["{} | sum(kind) > 0", "must be numeric"],
  ["{} | avg(span.a > 1) > 0", "must be numeric"],
  ["{} | sum(2) > 1", "must reference the span"],
  ["{} | min(1s) > 1", "must reference the span"],
  ["min(7) < avg(span.x)", "must reference the span"],
  ["({} | by(kind)) >> {}", "coalesce()"],
  // Not supported, by the language itself.
  ["{ parent = 5 }", "not supported yet"],
  ["{ parent = nil }", "parent"],
  ["4 < 5", "not supported yet"],
];

const nested = (open: string, inner: string, close: string, depth: number): string =>
  open.repeat(depth) + inner + close.repeat(depth);
const chain = (one: string, op: string, length: number): string =>
  Array.from({ length }, () => one).join(` ${op} `);

/** Large, deep or slow on purpose: each ends in an answer or a clear refusal, in time. */
const ABUSE: readonly (readonly [what: string, query: string])[] = [
  ["10 000 comparisons joined by &&", `{ ${chain(".a=1", "&&", 10_000)} }`],
  ["10 000 comparisons joined by ||", `{ ${chain(".a=1", "||", 10_000)} }`],
  [
    "10 000 different comparisons",
    `{ ${Array.from({ length: 8000 }, (_, i) => `.a=${i}`).join("||")} }`,
  ],
  ["10 000 operands of +", `{ ${chain(".a", "+", 10_000)} > 1 }`],
  ["10 000 operands of mixed logic", `{ ${chain(".a && .b", "||", 5000)} }`],
  ["10 000 filters joined by &&", chain("{}", "&&", 10_000)],
  ["10 000 different filters", Array.from({ length: 8000 }, (_, i) => `{.a=${i}}`).join("||")],
  ["10 000 filters joined by >>", chain("{}", ">>", 10_000)],
  ["3000 comparisons joined by ||", `{ ${chain(".a=1", "||", 3000)} }`],
  [
    "2000 different comparisons",
    `{ ${Array.from({ length: 2000 }, (_, i) => `.a=${i}`).join("||")} }`,
  ],
  ["250 different filters", Array.from({ length: 250 }, (_, i) => `{.a=${i}}`).join("||")],
  ["32 filters joined by !>>", chain("{}", "!>>", 32)],
  ["200 filters joined by >>", chain("{}", ">>", 200)],
  ["10 000 stages", chain("{}", "|", 10_000)],
  ["5000 groupings", `{} | ${chain("by(.a)", "|", 5000)}`],
  [
    "60 groupings by different values",
    `{} | ${Array.from({ length: 60 }, (_, i) => `by(.a + ${i})`).join(" | ")}`,
  ],
  ["10 000 fields to select", `{} | select(${chain(".a", ",", 10_000)})`],
  ["5000 aggregates", `{} | ${chain("count()", "+", 5000)} > 1`],
  ["1000 parentheses in a filter", `{ ${nested("(", ".a", ")", 1000)} }`],
  ["1000 negations", `{ ${"!".repeat(1000)}.a }`],
  ["1000 minus signs", `{ ${"-".repeat(1000)}.a > 1 }`],
  ["50 000 parentheses", `{ ${nested("(", ".a", ")", 50_000)} }`],
  ["1000 parentheses around a spanset", nested("(", "{}", ")", 1000)],
  ["1000 nested pipelines", nested("(", "{} | count() > 1", " | count() > 1)", 1000)],
  ["1000 nested powers", `{ ${chain("2", "^", 1000)} > 1 }`],
  ["nested quantifiers", '{ .long =~ "(a+)+$" }'],
  ["nested alternatives", '{ .long =~ "(a|aa)*b" }'],
  ["many wildcards", `{ .long =~ "${".*a".repeat(200)}b" }`],
  ["nested repetitions", '{ .long =~ "((a{1,100}){1,100}){1,100}" }'],
  ["a regular expression of 50 kB", `{ .long =~ "${"(a|b)".repeat(10_000)}" }`],
  ["descendants of descendants of everything", "{} >> {} >> {}"],
  ["all relations of everything", "{} &~ {} &>> {} !<< {} &< {} ~ {}"],
  ["everything grouped by itself", "{} | by(span:id) | max(duration) > 0 | by(name) | count() > 0"],
  ["each span's own value", "{} | by(.unique) | by(.a) | avg(duration) >= 0"],
];

/** What metrics queries add to it. */
const REFUSED_METRICS: readonly (readonly [query: string, reason: string])[] = [
  ["{} | quantile_over_time(duration, 1.5)", "between 0 and 1"],
  ["{} | rate() | topk(0)", "greater than 0"],
  ["{} | rate() | bottomk(0)", "greater than 0"],
  ["{} | compare({ .a }) | topk(3)", "second stage"],
  ["{} | compare({ .a }) > 1", "second stage"],
  ["{} | compare({}, 0)", "greater than 0"],
  ["{} | compare({}, 5, 0, 9)", "must be positive"],
  ["{} | compare({}, 5, 9, 9)", "greater than the start"],
  ["{} | compare({ 5 })", "must be boolean"],
  ["{} | compare({ name =~ `(` })", "invalid regex"],
  ["{} | rate() by(parent)", "not supported yet"],
  ["{} | rate() by(.a, .b, .c, .d, .e, .f)", "metrics group by 6 values"],
  ["{} | avg_over_time(duration) by(.a, .b, .c, .d, .e)", "metrics group by 5 values"],
  ["{} | histogram_over_time(duration) by(.a, .b, .c, .d, .e)", "metrics group by 5 values"],
  ["{} | quantile_over_time(duration, 1) by(.a, .b, .c, .d, .e)", "metrics group by 5 values"],
];

/** Metrics queries with many series, much to read or much to compute. */
const METRICS_ABUSE: readonly (readonly [what: string, query: string])[] = [
  ["a quantile by 100 000 values", "{} | quantile_over_time(duration, .5, .9, .99) by(.unique)"],
  ["a histogram by 100 000 values", "{} | histogram_over_time(duration) by(.unique)"],
  ["a rate by 100 000 values", "{} | rate() by(.unique)"],
  ["the largest of 100 000 series", "{} | rate() by(.unique) | topk(10)"],
  [
    "100 000 times 100 000 values",
    "{} | rate() by(.unique, span:id, trace:id, span:parentID, name)",
  ],
  ["10 000 quantiles", `{} | quantile_over_time(duration, ${chain(".5", ",", 10_000)})`],
  ["all attributes compared", "{} | compare({ .a = 1 }, 9223372036854775807)"],
  ["descendants of everything", "{} >> {} >> {} | rate() by(name)"],
  ["everything grouped by itself", "{} | by(span:id) | count() > 0 | rate()"],
  ["1000 second stages", `{} | rate() ${"| topk(1) ".repeat(1000)}`],
  ["1000 metrics queries added", chain("({} | rate())", "+", 1000)],
  [
    "100 different metrics queries added",
    Array.from({ length: 100 }, (_, i) => `({.a = ${i}} | rate())`).join(" + "),
  ],
  ["a regular expression with nested quantifiers", '{ .long =~ "(a+)+$" } | rate()'],
  ["10 000 filters", `${chain("{}", "||", 10_000)} | rate()`],
];

const START = 1_767_225_600;
const RANGE = `&start=${START}&end=${START + 120}`;
let store: SegmentStore;
let app: Hono;
const TIMEOUT_MS = 10_000;

beforeAll(async () => {
  store = await SegmentStore.open();
  await store.addBatch(batchOf(Object.values(WORKED)));
  for (let part = 0; part < 2; part++) await store.addBatch(batchOf(deepTraces(part)));
  store.settings = { ...store.settings, searchTimeoutMs: TIMEOUT_MS };
  store.nowMs = (START + 600) * 1000;
  app = apiOf(store);
}, 120_000);
afterAll(async () => {
  await store.close();
});

/** 50 000 spans in chains and stars of 500. */
function deepTraces(part: number): PlainSpan[] {
  const resource = aService("deep");
  return Array.from({ length: 50_000 }, (_, i) => {
    const trace = Math.floor(i / 500) + 1000 * (part + 1);
    const at = i % 500;
    const parent = trace % 2 === 0 ? at : Math.min(at, 1);
    const startUnixNano = BigInt(START) * 1_000_000_000n + BigInt(i) * 2_000_000n;
    return aSpan({
      traceId: traceIdOf(trace),
      spanId: spanIdOf(at + 1),
      parentSpanId: at === 0 ? "" : spanIdOf(parent),
      startUnixNano,
      endUnixNano: startUnixNano + 5_000_000n,
      resource,
      attributes: [
        { key: "unique", value: BigInt(i + part * 1_000_000) },
        { key: "a", value: BigInt(i % 3) },
        ...(i % 1000 === 0 ? [{ key: "long", value: `${"a".repeat(50_000)}!` }] : []),
      ],
    });
  });
}

async function ask(path: string, query: string, more = "") {
  const began = performance.now();
  const response = await app.request(`${path}?q=${encodeURIComponent(query)}${more}`);
  const text = await response.text();
  return { status: response.status, text, ms: performance.now() - began };
}

describe("a search refuses with 400 and the reason", () => {
  test.each(REFUSED)("%s: %s", async (query, reason) => {
    const { status, text } = await ask("/api/search", query);
    expect(text).toMatch(/^invalid TraceQL query: /);
    expect(text).toContain(reason);
    expect(status).toBe(400);
  });
});

/** An answer, or an error that tells the client what to change. */
function expectBounded({ status, text, ms }: Awaited<ReturnType<typeof ask>>): void {
  expect([200, 400, 429, 503, 504], text.slice(0, 300)).toContain(status);
  expect(text).not.toMatch(/internal error|Maximum call stack|Parser Error|Binder Error/);
  expect(ms).toBeLessThan(TIMEOUT_MS + 10_000);
}

describe("a search ends in time whatever it asks for", { timeout: 60_000 }, () => {
  test.each(ABUSE)("%s", async (_, query) => {
    expectBounded(await ask("/api/search", query));
    // And the server goes on.
    expect((await ask("/api/search", "{ name = `pay` }")).status).toBe(200);
  });

  test.each([
    ["a limit of 2^31", "&limit=2147483648", 400],
    ["the largest limit", "&limit=262144", 200],
    ["a limit of 0", "&limit=0", 400],
    ["a limit of 2^64", "&limit=18446744073709551616", 400],
    ["2^31 spans of a spanset", "&spss=2147483648", 400],
    ["a range of 100 years", "&start=1&end=3155760000", 400],
    ["an end before the start", "&start=20&end=10", 400],
  ])("%s", async (_, more, expected) => {
    const answer = await ask("/api/search", "{} >> {}", more);
    expectBounded(answer);
    expect(answer.status, answer.text.slice(0, 300)).toBe(expected);
  });
});

const METRICS_ROUTES = ["/api/metrics/query_range", "/api/metrics/query"] as const;

describe.each(METRICS_ROUTES)("%s refuses with 400 and the reason", (route) => {
  const syntax = REFUSED.filter(([query]) => isSyntaxError(query));
  test.each(syntax)("%s: %s", async (query, reason) => {
    const { status, text } = await ask(route, query, RANGE);
    expect(text).toMatch(
      route.endsWith("query") ? /^compiling query: parse error/ : /^parse error/,
    );
    expect(text).toContain(reason);
    expect(status).toBe(400);
  });

  const checks = REFUSED.filter(([query]) => !isSyntaxError(query) && !query.startsWith("("));
  const metrics = [...checks.map(([query, reason]) => [`${query} | rate()`, reason] as const)];
  test.each([...metrics, ...REFUSED_METRICS])("%s: %s", async (query, reason) => {
    const { status, text } = await ask(route, query, RANGE);
    expect(text).toMatch(/^compiling query: /);
    expect(text).toContain(reason);
    expect(status).toBe(400);
  });

  test.each([
    ["{}", RANGE, "not a metrics query"],
    ["{} | rate()", "&start=1&end=3155760000", "time range exceeds the maximum"],
    ["{} | rate()", `&start=${START + 10}&end=${START}`, "end must be greater than start"],
    ["{} | rate()", "&start=x&end=1", "could not parse 'start' parameter"],
  ])("%s with %s: %s", async (query, more, reason) => {
    const { status, text } = await ask(route, query, more);
    expect(text).toContain(reason);
    expect(status).toBe(400);
  });
});

test.each(["1ns", "1us", "0.000000001", "0", "-1", "1x"])(
  "a range with a step of %s is refused",
  async (step) => {
    const { status, text } = await ask(
      "/api/metrics/query_range",
      "{} | rate()",
      `${RANGE}&step=${step}`,
    );
    expect(text).toMatch(/too small|start required|not a valid duration|cannot parse/);
    expect(status).toBe(400);
  },
);

function isSyntaxError(query: string): boolean {
  try {
    parseQuery(query);
    return false;
  } catch {
    return true;
  }
}

describe.each(METRICS_ROUTES)("%s ends in time whatever it asks for", (route) => {
  test.each(METRICS_ABUSE)("%s", { timeout: 60_000 }, async (_, query) => {
    expectBounded(await ask(route, query, `${RANGE}&step=1`));
    expect((await ask(route, "{ name = `pay` } | rate()", RANGE)).status).toBe(200);
  });
});
