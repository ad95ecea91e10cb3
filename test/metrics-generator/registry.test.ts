import fc from "fast-check";
import { expect, test } from "vitest";
import { Budget } from "../../src/metrics-generator/budget.ts";
import { labelSet } from "../../src/metrics-generator/registry/label-set.ts";

import { SeriesRegistry } from "../../src/metrics-generator/registry/series-registry.ts";
import { TupleTable } from "../../src/metrics-generator/tuple-table.ts";
import { plainDecimal } from "../../src/util/plain-decimal.ts";
import { nameOf, timeSeriesOf, valuesOf } from "./written-series.ts";

const NOW = 1_767_225_645_500;
const BOUNDS = { maxNameBytes: 1024, maxValueBytes: 2048 };
const TRACE = new Uint8Array([...new Array(8).fill(0), 0x0a, ...new Array(7).fill(7)]);

function registry(over: Partial<ConstructorParameters<typeof SeriesRegistry>[0]> = {}) {
  return new SeriesRegistry(
    {
      external: new Map(),
      labelBounds: BOUNDS,
      maxActiveSeries: 0,
      budget: new Budget(1_000_000),
      staleMs: 900_000,
      traceIdLabel: "traceID",
      maxSamplesPerSend: 2000,
      ...over,
    },
    NOW,
  );
}

test("a counter begins with a zero before the minute, and goes on from there", () => {
  const series = registry();
  const counters = series.counters("calls_total");
  const labels = series.labels([["service", "shop"]]);
  counters.of(labels, NOW).add(2, NOW);
  counters.of(labels, NOW).add(0.5, NOW);
  const first = timeSeriesOf(series.collect(NOW));
  expect(first.map(nameOf)).toEqual(Array(2).fill('calls_total{service="shop"}'));
  expect(first.map(({ samples }) => samples[0])).toMatchObject([
    { value: 0, timestamp: 1_767_225_599_000n },
    { value: 2.5, timestamp: BigInt(NOW) },
  ]);
  counters.of(labels, NOW).add(1, NOW);
  const later = timeSeriesOf(series.collect(NOW + 15_000));
  expect(later).toHaveLength(1);
  expect(later[0]!.samples[0]).toMatchObject({ value: 3.5, timestamp: BigInt(NOW + 15_000) });
});

test("a histogram has rising buckets, a sum, a count, and each example once", () => {
  const series = registry();
  const histograms = series.histograms("latency", [0.1, 1, 0.00001].sort());
  const labels = series.labels([
    ["z", "last"],
    ["a", "first"],
  ]);
  const one = histograms.of(labels, NOW);
  for (const [value, weight] of [
    [0.1, 1],
    [0.5, 2],
    [9, 1],
  ] as const) {
    one.observe(value, weight, TRACE, 0, NOW);
  }
  const found = timeSeriesOf(series.collect(NOW));
  for (const { labels: sorted } of found) {
    const names = sorted.map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
  }
  const values: Record<string, number[]> = {};
  for (const each of found) {
    const before = values[nameOf(each)] ?? [];
    if (each.samples.length > 0)
      values[nameOf(each)] = [...before, ...each.samples.map(({ value }) => value)];
  }
  expect(values).toEqual({
    'latency_sum{a="first",z="last"}': [10.1],
    'latency_count{a="first",z="last"}': [0, 4],
    'latency_bucket{a="first",le="0.00001",z="last"}': [0, 0],
    'latency_bucket{a="first",le="0.1",z="last"}': [0, 1],
    'latency_bucket{a="first",le="1",z="last"}': [0, 3],
    'latency_bucket{a="first",le="+Inf",z="last"}': [0, 4],
  });
  const examples = found.flatMap((each) =>
    each.exemplars.map(({ labels: [id], value }) => [
      nameOf(each).match(/le="([^"]+)/)?.[1],
      id,
      value,
    ]),
  );
  const id = { name: "traceID", value: "a07070707070707" };
  expect(examples).toMatchObject([
    ["0.1", id, 0.1],
    ["1", id, 0.5],
    ["+Inf", id, 9],
  ]);
  expect(timeSeriesOf(series.collect(NOW)).flatMap(({ exemplars }) => exemplars)).toEqual([]);
});

test("zeros have requests of their own, and what comes between waits for its zero", () => {
  const series = registry();
  const counters = series.counters("c");
  const count = (name: string) => counters.of(series.labels([["name", name]]), NOW).add(1, NOW);
  count("a");
  const collected = series.collect(NOW);
  const zeros = collected.next().value;
  expect(valuesOf(zeros === undefined ? [] : [zeros])).toEqual({ 'c{name="a"}': 0 });
  count("b");
  expect(valuesOf(collected)).toEqual({ 'c{name="a"}': 1 });
  expect(valuesOf(series.collect(NOW))).toEqual({ 'c{name="a"}': 1, 'c{name="b"}': 1 });
});

test("labels of all series win over those of one", () => {
  const series = registry({
    external: new Map([
      ["service", "ours"],
      ["__instance", "edge"],
    ]),
  });
  series.counters("n").of(
    series.labels([
      ["service", "theirs"],
      ["x", "1"],
    ]),
    NOW,
  );
  const [first] = timeSeriesOf(series.collect(NOW));
  expect(first?.labels).toMatchObject([
    { name: "__instance", value: "edge" },
    { name: "__name__", value: "n" },
    { name: "service", value: "ours" },
    { name: "x", value: "1" },
  ]);
});

test("series beyond the limit are counted together, known ones go on", () => {
  const series = registry({ maxActiveSeries: 7 });
  const [counters, histograms] = [series.counters("c"), series.histograms("h", [1])];
  const labels = (i: number) => series.labels([["i", String(i)]]);
  for (let i = 0; i < 4; i++) counters.of(labels(i), NOW).add(1, NOW);
  // Four series, of which three have room.
  histograms.of(labels(0), NOW).observe(2, 1, TRACE, 0, NOW);
  counters.of(labels(0), NOW).add(1, NOW);
  const values = valuesOf(series.collect(NOW));
  expect(values).toMatchObject({
    'c{i="0"}': 2,
    'c{i="3"}': 1,
    'h_count{metric_overflow="true"}': 1,
  });
  expect(series.limit).toMatchObject({ active: 4, added: 4, limited: 4 });
  for (let i = 4; i < 9; i++) counters.of(labels(i), NOW).add(1, NOW);
  expect(valuesOf(series.collect(NOW))['c{metric_overflow="true"}']).toBe(2);
  expect(series.limit).toMatchObject({ active: 7, limited: 6 });
});

test("all tenants share one budget, which a tenant's limit does not lift", () => {
  const budget = new Budget(3);
  const [one, other] = [registry({ budget }), registry({ budget, maxActiveSeries: 100 })];
  const add = (series: SeriesRegistry, name: string) =>
    series
      .counters("c")
      .of(series.labels([["name", name]]), NOW)
      .add(1, NOW);
  for (const name of ["a", "b"]) add(one, name);
  for (const name of ["a", "b"]) add(other, name);
  expect(budget.used).toBe(3);
  expect(valuesOf(other.collect(NOW))).toEqual({
    'c{name="a"}': 1,
    'c{metric_overflow="true"}': 1,
  });
  one.limit.remove(one.limit.active);
  expect(budget.used).toBe(1);
});

test("what is not observed for long is forgotten, and begins anew", () => {
  const series = registry({ staleMs: 600_000 });
  const counters = series.counters("c");
  const [old, busy] = ["old", "busy"].map((name) => series.labels([["name", name]]));
  counters.of(old!, NOW).add(1, NOW);
  counters.of(busy!, NOW).add(1, NOW);
  const later = NOW + 601_000;
  counters.of(busy!, later).add(1, later);
  series.removeStale(later);
  expect(valuesOf(series.collect(later))).toEqual({ 'c{name="busy"}': 2 });
  expect(series.limit).toMatchObject({ active: 1, removed: 1 });
  counters.of(old!, later).add(5, later);
  const anew = timeSeriesOf(series.collect(later)).filter((each) => nameOf(each).includes("old"));
  expect(anew.flatMap(({ samples }) => samples.map(({ value }) => value))).toEqual([0, 5]);
});

test("requests have a bounded number of samples", () => {
  const series = registry();
  const counters = series.counters("c");
  for (let i = 0; i < 3000; i++) counters.of(series.labels([["i", String(i)]]), NOW).add(i, NOW);
  const bodies = [...series.collect(NOW)];
  expect(bodies.map(({ sampleCount }) => sampleCount)).toEqual([2000, 1000, 2000, 1000]);
  expect(timeSeriesOf(bodies)).toHaveLength(6000);
  expect(valuesOf(bodies)['c{i="2999"}']).toBe(2999);
});

test("of labels with one name the last counts, those without a value fall away", () => {
  const { labels } = labelSet(
    [
      ["a", "1"],
      ["b", "2"],
      ["a", ""],
      ["", "x"],
      ["c", "3"],
    ],
    BOUNDS,
  );
  expect(labels).toEqual([
    ["b", "2"],
    ["c", "3"],
  ]);
  const cut = labelSet([["name".repeat(9), "é".repeat(9)]], { maxNameBytes: 5, maxValueBytes: 5 });
  expect(cut.labels).toEqual([["namen", "éé"]]);
});

test("sets of labels have one key exactly when they are equal", () => {
  const text = fc.constantFrom("", "a", "b", "1:", "ab", "1:1:ab");
  const pairs = fc.array(fc.tuple(text, text), { maxLength: 3 });
  fc.assert(
    fc.property(pairs, pairs, (one, other) => {
      const [a, b] = [labelSet(one, BOUNDS), labelSet(other, BOUNDS)];
      expect(a.key === b.key).toBe(JSON.stringify(a.labels) === JSON.stringify(b.labels));
    }),
    { numRuns: 2000 },
  );
});

test("equal tuples have equal numbers, from 0 on", () => {
  const tuples = fc.array(fc.tuple(fc.integer({ min: -2, max: 3 }), fc.integer(), fc.nat(5)), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(tuples, (list) => {
      const table = new TupleTable(3);
      const known = new Map<string, number>();
      for (const each of list) {
        table.tuple.set(each);
        const key = each.join();
        const expected = known.get(key) ?? known.size;
        known.set(key, expected);
        expect(table.number()).toBe(expected);
      }
      expect(table.count).toBe(known.size);
    }),
  );
});

test("decimals are plain and read back", () => {
  expect([1e-7, 1.5e21, -2.5e-9, 0.002, 16.384, -0, Infinity].map(plainDecimal)).toEqual([
    ...["0.0000001", "1500000000000000000000", "-0.0000000025", "0.002", "16.384", "-0", "+Inf"],
  ]);
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = plainDecimal(value);
      expect(text).not.toContain("e");
      expect(Object.is(Number(text), value)).toBe(true);
    }),
  );
});
