import type { Hono } from "hono";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Explanation } from "../../src/api/wire/explanation.ts";
import { parseExplainArguments } from "../../src/cli/explain/arguments.ts";
import { explanationText } from "../../src/cli/explain/print-explanation.ts";
import { SegmentStore } from "../query/segment-store.ts";
import { aSpan, batchOf, traceIdOf } from "../support/batch-builder.ts";
import { attributes, hex } from "../support/otlp-builder.ts";
import { apiOf } from "./api-fixture.ts";

const FIRST_S = 1_700_000_000;
let store: SegmentStore;
let app: Hono;

/** Three segments of ten traces; those of the second have an attribute of their own. */
beforeAll(async () => {
  store = await SegmentStore.open();
  for (const segment of [0, 1, 2]) {
    const spans = Array.from({ length: 10 }, (_, i) => {
      const n = segment * 1000 + i + 1;
      const start = BigInt(FIRST_S + n) * 1_000_000_000n;
      return {
        traceId: hex(n.toString(16).padStart(32, "0")),
        spanId: hex("00000000000000a1"),
        name: "op",
        startTimeUnixNano: start,
        endTimeUnixNano: start + 1n,
        attributes: segment === 1 ? attributes({ "only.here": "yes" }) : [],
      };
    });
    const resource = { attributes: attributes({ "service.name": "shop" }) };
    await store.add([{ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }]);
  }
  app = apiOf(store);
});
afterAll(() => store.close());

async function explained(
  path: string,
  query: string,
  more = "",
  by: Hono = app,
): Promise<Explanation> {
  const response = await by.request(
    `${path}?q=${encodeURIComponent(query)}&start=${FIRST_S}&end=${FIRST_S + 5000}&explain=true${more}`,
  );
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as Explanation;
}

test("an explained search tells what was read, and why the rest was not", async () => {
  const newest = await explained("/api/search", "{ }", "&limit=3");
  expect(newest.answer).toEqual({ traces: 3 });
  expect(newest.segments).toMatchObject([{ known: 3, read: 1, notNeeded: 2, pruned: 0 }]);
  expect(newest.segments[0]?.list.map(({ fate }) => fate)).toEqual([
    "read",
    "not needed",
    "not needed",
  ]);
  const pruned = await explained("/api/search", '{ span.only.here = "yes" }');
  expect(pruned.plan[0]).toBe("filter 0: { span.only.here = `yes` }");
  expect(pruned.segments).toMatchObject([{ read: 1, notNeeded: 0, pruned: 2, rowsRead: 10 }]);
  expect(pruned.statementCount).toBe(pruned.statements.length);
  expect(pruned.statements[0]?.sql).toContain("only.here");
  const older = await explained("/api/search", "{ }", `&end=${FIRST_S + 500}`);
  expect(older.segments).toMatchObject([{ outOfRange: 0 }]);
});

test("an explained query tells what its segments' filters ruled out", async () => {
  const users = await SegmentStore.open();
  try {
    users.listValues = false;
    for (const segment of [0, 1, 2]) {
      const spans = Array.from({ length: 30 }, (_, i) =>
        aSpan({
          traceId: traceIdOf(100 * segment + i + 1),
          startUnixNano: BigInt(FIRST_S + 100 * segment + i) * 1_000_000_000n,
          endUnixNano: BigInt(FIRST_S + 100 * segment + i) * 1_000_000_000n,
          attributes: [{ key: "user", value: `user ${segment}.${i}` }],
        }),
      );
      await users.addBatch(batchOf(spans));
    }
    const ask = (path: string, query: string) => explained(path, query, "&step=60", apiOf(users));
    const one = "{ span.user = `user 1.4` }";
    const found = await ask("/api/search", one);
    expect(found.segments).toMatchObject([{ known: 3, read: 1, filtered: 2, pruned: 0 }]);
    const fates = found.segments[0]?.list.map(({ fate }) => fate);
    expect(fates).toEqual(["read", "filtered", "filtered"]);
    expect(explanationText(found, false)).toMatch(/filtered +2 /);
    const metrics = await ask("/api/metrics/query_range", `${one} | rate()`);
    expect(metrics.segments).toMatchObject([{ known: 3, read: 1, filtered: 2, pruned: 0 }]);
    const together = await ask("/api/search", `${one} && { span.user = \`nobody\` }`);
    expect(together.segments).toMatchObject([{ read: 0, filtered: 3, notNeeded: 0 }]);
    expect(together.statementCount).toBe(0);
  } finally {
    await users.close();
  }
});

test("an explained metrics query shows a plan for each of its pipelines", async () => {
  const one = await explained("/api/metrics/query_range", "{ } | rate()", "&step=60");
  expect(one.plan).toContain("filter 0: { true }");
  expect(one.answer.series).toBe(1);
  expect(one.statements.length).toBeGreaterThan(0);
  const two = await explained(
    "/api/metrics/query_range",
    "({ kind = server } | rate()) / ({ } | rate())",
    "&step=60",
  );
  expect(two.plan.filter((line) => line.startsWith("query "))).toEqual(["query 1", "query 2"]);
});

test("a query that is wrong is refused as without an explanation", async () => {
  const response = await app.request("/api/search?q=%7B&explain=true");
  expect(response.status).toBe(400);
});

test("the terminal shows it without anything that a terminal would obey", async () => {
  const explanation = await explained("/api/search", '{ name = "\u001b[31m" || name = "op" }');
  const short = explanationText(explanation, false);
  expect(short).not.toContain("\u001b");
  expect(short).toContain("segments of single-tenant: 3");
  expect(short).toMatch(/answer: 20 traces in [\d.]+ ms/);
  const long = explanationText(explanation, true);
  expect(long.match(/ L\d {2}read /g)).toHaveLength(explanation.segments[0]!.read);
});

const NOW_MS = 1_700_000_000_000;

test("the range of the command line is the last hour, some other time, or a given one", () => {
  const rangeOf = (...args: string[]) => {
    const { start, end } = parseExplainArguments([...args, "{ }"], NOW_MS)!;
    return [start, end];
  };
  expect(rangeOf()).toEqual([1_699_996_400, 1_700_000_000]);
  expect(rangeOf("--since", "2d")).toEqual([1_699_827_200, 1_700_000_000]);
  expect(rangeOf("--start=5", "--end=9")).toEqual([5, 9]);
  expect(parseExplainArguments(["--help"], NOW_MS)).toBeUndefined();
});

test.each([
  [[], "no query"],
  [["{ }", "{ }"], "quotes"],
  [["--since", "1w", "{ }"], "--since '1w'"],
  [["--start", "5", "{ }"], "go together"],
  [["--nope", "{ }"], "unknown option '--nope'"],
  [["{ }", "--url"], "--url needs a value"],
])("%j is refused", (args, message) => {
  expect(() => parseExplainArguments(args, NOW_MS)).toThrow(message);
});
