import { afterAll, beforeAll, expect, test } from "vitest";
import { compileSearch } from "../../src/query/compile-search.ts";
import { QueryRecorder } from "../../src/query/query-recorder.ts";
import { searchTraces } from "../../src/query/search.ts";
import { INT64_MAX, INT64_MIN } from "../../src/traceql/words.ts";
import { Random } from "../differential/generate/random.ts";
import { aSpan, batchOf, spanIdOf, traceIdOf } from "../support/batch-builder.ts";
import { testSeed } from "../support/random.ts";
import type { PlainValue } from "../support/read-batch.ts";
import { SegmentStore } from "./segment-store.ts";

const SEED = testSeed();
const SEGMENTS = 12;
const SPANS = 48;
const QUERIES = 60;
const START = 1_700_000_000_000_000_000n;

let store: SegmentStore;
const r = new Random(SEED);

/** Numbers of one segment lie about one of these. */
const EDGES = [0n, 40n, -40n, 2n ** 53n, -(2n ** 53n), 2n ** 62n, INT64_MAX - 9n, INT64_MIN + 9n];
const DOUBLES = [0.1, -0, 0.5, 5e-324, 1e300, Infinity, -Infinity];

function anInt(edge = r.pick(EDGES)): bigint {
  return edge + BigInt(r.below(19) - 9);
}

function aDouble(edge = r.pick(EDGES)): number {
  return r.chance(0.2) ? r.pick(DOUBLES) : Number(anInt(edge)) / r.pick([1, 1, 8]);
}

/** `int` and `double` are that; `mixed` is either, by segment, and resource attributes have it too. */
beforeAll(async () => {
  store = await SegmentStore.open();
  store.listValues = false;
  for (let segment = 0; segment < SEGMENTS; segment++) {
    const edge = r.pick(EDGES);
    const hasNaN = r.chance(0.2);
    const doubles = () => (hasNaN && r.chance(0.1) ? Number.NaN : aDouble(edge));
    const mixed = r.chance(0.5) ? () => anInt(edge) : doubles;
    const numbers = (): { key: string; value: PlainValue }[] => [
      { key: "int", value: anInt(edge) },
      { key: "double", value: doubles() },
      { key: "mixed", value: r.chance(0.03) ? "text" : mixed() },
    ];
    const spans = Array.from({ length: SPANS }, (_, i) => {
      const n = segment * SPANS + i + 1;
      const start = START + BigInt(n);
      return aSpan({
        traceId: traceIdOf(n),
        spanId: spanIdOf(n),
        startUnixNano: start,
        endUnixNano: start + BigInt(r.below(1000) + 1000 * segment - 3000),
        attributes: r.chance(0.3) ? [] : numbers(),
        resource: {
          ...aSpan().resource,
          attributes: segment % 3 > 0 ? [] : [{ key: "mixed", value: mixed() }],
        },
      });
    });
    await store.addBatch(batchOf(spans), { rowGroupRows: r.pick([16, 1000]) });
  }
});
afterAll(() => store.close());

function literal(): string {
  if (r.chance(0.1)) return r.pick(["(0.0 / 0.0)", "(1.0 / 0.0)", "(-1.0 / 0.0)", "-0.0"]);
  if (r.chance(0.5)) {
    const value = anInt();
    return value >= 0n ? `${value}` : `(0 - ${-value - 1n} - 1)`;
  }
  const value = aDouble();
  if (!Number.isFinite(value)) return value > 0 ? "(1.0 / 0.0)" : "(-1.0 / 0.0)";
  const text = String(Math.abs(value));
  return `${value < 0 ? "-" : ""}${/[.e]/.test(text) ? text : `${text}.0`}`;
}

function comparison(): string {
  const op = r.pick(["=", "!=", "<", "<=", ">", ">="]);
  if (r.chance(0.2)) return `duration ${op} ${r.below(12_000) - 3000}${r.pick(["", "ns", ".5"])}`;
  const field = r.pick(["span.int", "span.double", "span.mixed", "resource.mixed", ".mixed"]);
  return r.chance(0.7) ? `${field} ${op} ${literal()}` : `${literal()} ${op} ${field}`;
}

async function search(query: string, useFilters: boolean) {
  store.useFilters = useFilters;
  const recorder = new QueryRecorder();
  const { traces } = await searchTraces(store.engine(), {
    tenants: ["single-tenant"],
    search: compileSearch(query, 100_000),
    range: undefined,
    limit: 2 * SEGMENTS * SPANS,
    spansPerSpanset: 1,
    recorder,
  });
  const ids = traces.map(({ traceId }) => traceId).sort();
  return { ids, ruledOut: recorder.segments[0]?.ruledOut.length ?? 0 };
}

test(`a segment with a number that compares is never ruled out (PINTAIL_TEST_SEED=${SEED})`, async () => {
  const seen = { found: 0, ruledOut: 0, both: 0 };
  for (let i = 0; i < QUERIES; i++) {
    const one = comparison();
    const query = r.chance(0.6)
      ? `{ ${one} }`
      : `{ ${one} ${r.pick(["&&", "||"])} ${comparison()} }`;
    const wanted = await search(query, false);
    const { ids, ruledOut } = await search(query, true);
    expect(ids, query).toEqual(wanted.ids);
    if (ids.length > 0) seen.found++;
    if (ruledOut > 0) seen.ruledOut++;
    if (ids.length > 0 && ruledOut > 0) seen.both++;
  }
  expect(seen.found).toBeGreaterThan(QUERIES / 4);
  expect(seen.ruledOut).toBeGreaterThan(QUERIES / 4);
  expect(seen.both).toBeGreaterThan(QUERIES / 8);
}, 300_000);
