import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { maxOf, minOf } from "../../src/query/bigint-bounds.ts";
import { compileSearch } from "../../src/query/compile-search.ts";
import { searchTraces } from "../../src/query/search.ts";
import type { SearchResult } from "../../src/query/search-result.ts";
import { aSpan, attributes, hex } from "../support/otlp-builder.ts";
import { type RequestInit, SegmentStore } from "./segment-store.ts";

/** A span as the naive evaluation sees it. */
type Toy = {
  readonly trace: number;
  readonly id: bigint;
  readonly root: boolean;
  readonly name: string;
  readonly service: string;
  /** `span.a`; undefined = absent. */
  readonly a: bigint | undefined;
  readonly error: boolean;
  readonly start: bigint;
  readonly duration: bigint;
  readonly segment: number;
};

type Leaf = { readonly text: string; readonly test: (span: Toy) => boolean };
const LEAVES: readonly Leaf[] = [
  { text: "{}", test: () => true },
  { text: "{ span.a = 1 }", test: (s) => s.a === 1n },
  {
    text: "{ span.a > 1 && status = error }",
    test: (s) => s.a !== undefined && s.a > 1n && s.error,
  },
  { text: "{ name = `n1` }", test: (s) => s.name === "n1" },
  {
    text: "{ resource.service.name = `s2` || span.a = nil }",
    test: (s) => s.service === "s2" || s.a === undefined,
  },
  { text: "{ span.missing = 1 }", test: () => false },
];

type Tree =
  | { readonly leaf: number }
  | { readonly op: "&&" | "||"; readonly l: Tree; readonly r: Tree };

const tree: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ leaf: fc.nat(LEAVES.length - 1) }),
    fc.record({
      op: fc.constantFrom("&&" as const, "||" as const),
      l: tie("tree"),
      r: tie("tree"),
    }),
  ),
})).tree;

const BASE = 1_700_000_000_000_000_000n;
const toy = fc.record({
  trace: fc.nat(11),
  root: fc.boolean(),
  name: fc.constantFrom("n1", "n2"),
  service: fc.constantFrom("s1", "s2", "s3"),
  a: fc.constantFrom(undefined, 0n, 1n, 2n),
  error: fc.boolean(),
  start: fc.bigInt(0n, 9n).map((s) => BASE + s * 1_000_000_000n),
  duration: fc.bigInt(0n, 3_000_000_000n),
  segment: fc.nat(5),
});
const toys: fc.Arbitrary<Toy[]> = fc
  .array(toy, { minLength: 1, maxLength: 60 })
  .map((list) => list.map((one, i) => ({ ...one, id: BigInt(i + 1) })));

function printTree(t: Tree): string {
  return "leaf" in t ? LEAVES[t.leaf]!.text : `(${printTree(t.l)} ${t.op} ${printTree(t.r)})`;
}

/** The spans of one trace that the tree returns, as the language defines it. */
function evaluate(t: Tree, spans: readonly Toy[]): Set<Toy> {
  if ("leaf" in t) return new Set(spans.filter(LEAVES[t.leaf]!.test));
  const l = evaluate(t.l, spans);
  const r = evaluate(t.r, spans);
  if (t.op === "&&" && (l.size === 0 || r.size === 0)) return new Set();
  return new Set([...l, ...r]);
}

const traceHex = (n: number): string => (n + 1).toString(16).padStart(32, "0");
const spanHex = (id: bigint): string => id.toString(16).padStart(16, "0");

function requestsOf(spans: readonly Toy[]): RequestInit[] {
  return spans.map((s) => ({
    resourceSpans: [
      {
        resource: { attributes: attributes({ "service.name": s.service }) },
        scopeSpans: [
          {
            spans: [
              aSpan({
                traceId: hex(traceHex(s.trace)),
                spanId: hex(spanHex(s.id)),
                ...(s.root ? {} : { parentSpanId: hex("ff".repeat(8)) }),
                name: s.name,
                startTimeUnixNano: s.start,
                endTimeUnixNano: s.start + s.duration,
                attributes: s.a === undefined ? [] : attributes({ a: s.a }),
                status: { code: s.error ? 2 : 0 },
              }),
            ],
          },
        ],
      },
    ],
  }));
}

type Range = { readonly startUnixNano: bigint; readonly endUnixNano: bigint };

/** What a search must answer, and in this order. */
function expected(all: readonly Toy[], t: Tree, limit: number, spss: number, range?: Range) {
  const byStart = (x: Toy, y: Toy) =>
    x.start !== y.start ? (x.start < y.start ? -1 : 1) : Number(x.id - y.id);
  return [...new Set(all.map((s) => s.trace))]
    .map((trace) => {
      const spans = all.filter((s) => s.trace === trace).sort(byStart);
      const matched = [...evaluate(t, spans)].sort(byStart);
      const start = spans.map((s) => s.start).reduce(minOf);
      const end = spans.map((s) => s.start + s.duration).reduce(maxOf);
      const services = new Map<string, { spanCount: number; errorCount: number }>();
      for (const s of spans) {
        const stats = services.get(s.service) ?? { spanCount: 0, errorCount: 0 };
        stats.spanCount++;
        if (s.error) stats.errorCount++;
        services.set(s.service, stats);
      }
      return { traceId: traceHex(trace), start, end, matched, services };
    })
    .filter(({ matched }) => matched.length > 0)
    .filter(
      ({ start, end }) => !range || (start <= range.endUnixNano && end >= range.startUnixNano),
    )
    .sort((x, y) =>
      x.start !== y.start ? (x.start > y.start ? -1 : 1) : x.traceId < y.traceId ? -1 : 1,
    )
    .slice(0, limit)
    .map(({ traceId, start, end, matched, services }) => ({
      traceId,
      start,
      duration: end - start,
      matched: matched.length,
      spans: matched.slice(0, spss).map((s) => s.id),
      services: [...services].sort(([x], [y]) => (x < y ? -1 : 1)),
    }));
}

function shown(result: SearchResult) {
  return result.traces.map((trace) => ({
    traceId: trace.traceId,
    start: trace.startUnixNano,
    duration: trace.durationNanos,
    matched: trace.spansets?.[0]?.matchedCount,
    spans: trace.spansets?.[0]?.spans.map((s) => s.spanId),
    services: [...(trace.serviceStats ?? [])].sort(([x], [y]) => (x < y ? -1 : 1)),
  }));
}

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(async () => {
  await store.close();
});

async function load(spans: readonly Toy[]): Promise<void> {
  store.clear();
  for (let segment = 0; segment <= 5; segment++) {
    const part = spans.filter((s) => s.segment === segment);
    if (part.length > 0) await store.add(requestsOf(part), { rowGroupRows: 8 });
  }
}

async function search(t: Tree, limit: number, spss: number, range?: Range) {
  const result = await searchTraces(store.engine(), {
    tenants: ["single-tenant"],
    search: compileSearch(printTree(t), 10_000),
    range,
    limit,
    spansPerSpanset: spss,
    // Few, so that a search goes over several slices of the little that there is.
    firstSliceRows: 8,
  });
  return shown(result);
}

test("search over split traces answers as a naive evaluation of whole traces", {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      toys,
      tree,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      async (spans, t, limit, spss) => {
        await load(spans);
        const answer = await search(t, limit, spss);
        expect(answer).toEqual(expected(spans, t, limit, spss));
        expect(await search(t, limit, spss)).toEqual(answer);
      },
    ),
    { numRuns: 60 },
  );
});

test("with a time range, traces that lie in one segment are found exactly by overlap", {
  timeout: 120_000,
}, async () => {
  const seconds = fc.integer({ min: -2, max: 13 });
  await fc.assert(
    fc.asyncProperty(toys, tree, seconds, seconds, async (spans, t, from, to) => {
      const whole = spans.map((s) => ({ ...s, segment: s.trace % 4 }));
      await load(whole);
      const range = {
        startUnixNano: BASE + BigInt(Math.min(from, to)) * 1_000_000_000n,
        endUnixNano: BASE + BigInt(Math.max(from, to)) * 1_000_000_000n,
      };
      expect(await search(t, 4, 2, range)).toEqual(expected(whole, t, 4, 2, range));
    }),
    { numRuns: 60 },
  );
});
