import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { instantGrid, rangeGrid } from "../../../src/query/metrics/grid.ts";
import type { MetricsResult } from "../../../src/query/metrics/metrics-result.ts";
import { anyValue, aSpan, attributes, hex, type SimpleValue } from "../../support/otlp-builder.ts";
import { SegmentStore } from "../segment-store.ts";
import { linesOf, type RunMetrics, runMetrics } from "./run-metrics.ts";

const S = 1_000_000_000n;
const T0 = 1_699_999_980n * S;
const OFF = { nowMs: 0, endCutoffMs: 0, maxDurationMs: 0, maxIntervals: 0 };
const RANGE = { startUnixNano: T0, endUnixNano: T0 + 240n * S };
const GRID = rangeGrid({ ...RANGE, stepNanos: 60n * S }, OFF);
const INSTANT = instantGrid(RANGE, OFF);

type Row = readonly [second: number, values: Record<string, SimpleValue>];

let store: SegmentStore;
beforeAll(async () => {
  store = await SegmentStore.open();
});
afterAll(async () => {
  await store.close();
});
beforeEach(() => {
  store.clear();
});

let nextTrace = 1;

/** A segment of one-span traces; times in seconds after T0. */
async function segment(rows: readonly Row[], tenant?: string): Promise<void> {
  const spans = rows.map(([second, values]) => {
    const start = T0 + BigInt(Math.round(second * 1000)) * 1_000_000n;
    return aSpan({
      traceId: hex((nextTrace++).toString(16).padStart(32, "0")),
      startTimeUnixNano: start,
      endTimeUnixNano: start + 1_000_000n,
      attributes: attributes(values),
    });
  });
  const request = { resourceSpans: [{ scopeSpans: [{ spans }] }] };
  await store.add([request], tenant === undefined ? {} : { tenant });
}

const lines = async (query: string, grid = GRID): Promise<string[]> =>
  linesOf(await runMetrics(store, query, grid));

describe("values of several types and columns", () => {
  test("are different labels, and segments with other columns tell of the same series", async () => {
    await segment([
      [1, { x: 200n }],
      [2, { x: "200" }],
      [61, { x: 2.5 }],
    ]);
    await segment([
      [3, { x: 200n, y: true }],
      [62, { z: 1n }],
    ]);
    expect(await lines("{} | count_over_time() by (span.x)")).toEqual([
      "span.x=2.5: 0 0 1 0 0",
      "span.x=200: 0 2 0 0 0",
      'span.x="200": 0 1 0 0 0',
      'span.x="nil": 0 0 1 0 0',
    ]);
  });

  test("0 and -0 are one label, wherever they lie", async () => {
    await segment([[1, { x: -0 }]]);
    await segment([[61, { x: 0.0 }]]);
    await segment([
      [121, { x: 1.5 }],
      [122, { x: -0 }],
    ]);
    expect(await lines("{} | count_over_time() by (span.x)")).toEqual([
      "span.x=0.0: 0 1 1 1 0",
      "span.x=1.5: 0 0 0 1 0",
    ]);
    expect(await lines("{} | compare({ true })")).toContain(
      '__meta_type="selection" span.x=0.0: 0 1 1 1 0',
    );
  });

  test("count together as numbers, but texts and NaN do not", async () => {
    await segment([
      [1, { x: 3n }],
      [2, { x: "9" }],
      [3, { x: 0.5 }],
    ]);
    await segment([
      [4, { x: Number.NaN }],
      [5, { x: true }],
    ]);
    expect(await lines("{} | sum_over_time(span.x)")).toEqual([
      '__name__="sum_over_time": - 3.5 - - -',
    ]);
    expect(await lines("{} | max_over_time(span.x)")).toEqual([
      '__name__="max_over_time": - 3 - - -',
    ]);
    expect(await lines("{} | avg_over_time(span.x)")).toEqual([
      '__name__="avg_over_time": - 1.75 - - -',
    ]);
    expect(await lines("{} | min_over_time(span.y)")).toEqual([]);
  });

  test("of 64 bits fall into exact buckets", async () => {
    const values = [2n ** 60n + 1n, 2n ** 60n, 2n ** 49n + 1n, 2n ** 62n + 1n, 1n, -5n, 2n];
    await segment(values.map((x, i) => [i + 1, { x }]));
    expect((await lines("{} | histogram_over_time(span.x)", INSTANT)).sort()).toEqual(
      [2n, 2n ** 50n, 2n ** 60n, 2n ** 61n, 2n ** 63n]
        .map((bound) => `__bucket=${shown(bound)}: 1`)
        .sort(),
    );
  });
});

/** A double as labels show it. */
function shown(bound: bigint | number): string {
  const text = String(Number(Number(bound).toPrecision(12)));
  return /^\d+$/.test(text) ? `${text}.0` : text;
}

describe("arithmetic between queries", () => {
  beforeEach(async () => {
    await segment([
      [1, { k: "a", e: true }],
      [2, { k: "a" }],
      [3, { k: "b" }],
      [61, { k: "a", e: true }],
      [62, { k: "c", e: true }],
    ]);
  });
  const count = (filter: string) => `({ ${filter} } | count_over_time() by (span.k))`;

  test("meets series of the same labels; the function's name is none", async () => {
    expect(await lines(`${count("span.e = true")} / ${count("true")} * 100`)).toEqual([
      'span.k="a": - 50 100 - -',
      'span.k="c": - - 100 - -',
    ]);
    expect(await lines("({} | rate()) * 60 - ({} | count_over_time())")).toEqual([": 0 0 0 0 0"]);
  });

  test("takes precedence, parentheses, numbers on the left, and stages after it", async () => {
    expect(await lines(`2 + 3 * ${count("true")} | topk(1)`)).toEqual(['span.k="a": 2 8 5 2 2']);
    expect(await lines(`(2 + 3) * ${count("true")} > 5`)).toEqual(['span.k="a": - 10 - - -']);
    expect(await lines("({} | count_over_time() by (span.k) > 1) / 2")).toEqual([
      'span.k="a": - 1 - - -',
    ]);
  });

  test.each([
    ["({} | rate()) + ({})", /^parse error/],
    ["({} | rate()) + ({} | compare({}))", /compare\(\) cannot be an operand/],
    ["({} | rate()) +", /unexpected end of query/],
    ["({} | rate()", /unexpected end of query, expected \)/],
    [`${"({} | rate()) + ".repeat(16)}({} | rate())`, /has 17 metrics queries, the limit is 16/],
    [`({} | rate())${" + 1".repeat(300)}`, /has 300 operations .* the limit is 256/],
    [`${"(".repeat(300)}({} | rate())${")".repeat(300)}`, /nested too deeply/],
  ])("%s is refused", async (query, message) => {
    await expect(lines(query)).rejects.toThrow(message);
  });
});

describe("bounds", () => {
  test("a million values of a label end in the first of them, or in a clear error", async () => {
    await segment(Array.from({ length: 25_000 }, (_, i) => [1, { x: `v${i}` }]));
    const all = await runMetrics(store, "{} | count_over_time() by (span.x)", INSTANT);
    expect(all.series).toHaveLength(20_000);
    expect(all.partialMessage).toMatch(/^Response exceeds maximum series limit of 20000, /);
    const again = await runMetrics(store, "{} | count_over_time() by (span.x)", INSTANT);
    expect(linesOf(again)).toEqual(linesOf(all));
  });

  test("many quantiles and a large topN are cut", async () => {
    await segment([[1, { x: 5n }]]);
    const many = Array.from({ length: 3000 }, (_, i) => `0.${i + 1000}`).join(", ");
    const fine = rangeGrid({ ...RANGE, stepNanos: 24_000_000n }, OFF);
    const result = await runMetrics(store, `{} | quantile_over_time(span.x, ${many})`, fine);
    expect(result.partialMessage).toBeDefined();
    expect(result.series.length * result.timestampsMs.length).toBeLessThanOrEqual(2_000_000);
    expect(await lines("{} | compare({}, 2147483648)", INSTANT)).toContain(
      '__meta_type="selection" span.x=5: 1',
    );
  });

  test("segments out of the range, or without the key, are not read", async () => {
    await segment([[1, { x: 1n }]]);
    await segment([[2, { y: 1n }]]);
    await segment([[9000, { x: 1n }]]);
    store.statements.length = 0;
    const result = await runMetrics(store, "{ span.x = 1 } | rate()", GRID);
    expect(result.stats).toMatchObject({ segmentCount: 2, totalJobs: 1, inspectedSpanCount: 1 });
    expect(store.statements).toHaveLength(1);
    expect(store.statements[0]).toContain(store.segments[0]!.id);
    expect(store.statements[0]).not.toContain(store.segments[1]!.id);
  });
});

test("several tenants are counted together", async () => {
  await segment([[1, {}]]);
  await segment([[2, {}]], "other");
  const result = await runMetrics(store, "{} | count_over_time()", GRID, {
    tenants: ["other", "single-tenant"],
  });
  expect(linesOf(result)).toEqual(['__name__="count_over_time": 0 2 0 0 0']);
});

describe("partial results", () => {
  const partialsOf = async (
    query: string,
    grid = GRID,
    more: RunMetrics = {},
  ): Promise<[string[][], MetricsResult]> => {
    const partials: MetricsResult[] = [];
    const result = await runMetrics(store, query, grid, {
      ...more,
      onPartial: async (partial) => {
        partials.push(partial);
      },
    });
    return [
      partials.map((partial) =>
        partial.timestampsMs.length === 0
          ? []
          : [
              partial.timestampsMs
                .map((ms) => String((BigInt(ms) * 1_000_000n - T0) / S))
                .join(" "),
              ...linesOf(partial),
            ],
      ),
      result,
    ];
  };

  test("tell final buckets once, newest first", async () => {
    await segment([[1, {}]]);
    await segment([[65, {}]]);
    await segment([
      [125, {}],
      [185, {}],
    ]);
    const [partials, result] = await partialsOf("{} | count_over_time()");
    expect(partials).toEqual([["180 240", '__name__="count_over_time": 1 1']]);
    expect(linesOf(result)).toEqual(['__name__="count_over_time": 0 1 1 1 1']);
    expect(result.stats).toMatchObject({ totalJobs: 3, completedJobs: 3 });
  });

  test("of whole traces tell final buckets too", async () => {
    for (const second of [1, 65, 125, 185]) await segment([[second, {}]]);
    const query = "{ } && { } | count_over_time()";
    const [partials, result] = await partialsOf(query, GRID, { maxTraceRows: 1 });
    expect(linesOf(result)).toEqual(['__name__="count_over_time": 0 1 1 1 1']);
    expect(partials).toEqual([
      ["240", '__name__="count_over_time": 1'],
      ["180", '__name__="count_over_time": 1'],
      ["120", '__name__="count_over_time": 1'],
    ]);
  });

  test("of several tenants' whole traces tell no bucket that may change", async () => {
    for (const second of [1, 65, 125]) {
      await segment([[second, {}]]);
      await segment([[second, {}]], "other");
    }
    const tenants = ["other", "single-tenant"];
    const query = "{ } && { } | count_over_time()";
    const [partials, result] = await partialsOf(query, GRID, { maxTraceRows: 1, tenants });
    expect(linesOf(result)).toEqual(['__name__="count_over_time": 0 2 2 2 0']);
    expect(partials).toEqual([
      ...[[], [], []],
      ["180 240", '__name__="count_over_time": 2 0'],
      ["120", '__name__="count_over_time": 2'],
    ]);
  });

  test("of an instant tell the count so far", async () => {
    for (const second of [1, 65, 125, 185]) await segment([[second, {}]]);
    const [partials] = await partialsOf("{} | count_over_time()", INSTANT);
    expect(partials.map(([, line]) => line)).toEqual([
      '__name__="count_over_time": 1',
      '__name__="count_over_time": 3',
    ]);
  });
});

describe("rows at the edges of the grid", () => {
  /** One trace of spans from and to a second after T0. */
  async function trace(...spans: readonly (readonly [from: number, to: number])[]): Promise<void> {
    const traceId = hex((nextTrace++).toString(16).padStart(32, "0"));
    const list = spans.map(([from, to]) =>
      aSpan({
        traceId,
        startTimeUnixNano: T0 + BigInt(from) * S,
        endTimeUnixNano: T0 + BigInt(to) * S,
      }),
    );
    await store.add([{ resourceSpans: [{ scopeSpans: [{ spans: list }] }] }]);
  }

  test("are asked for their times only where a segment may reach beyond", async () => {
    await trace([1, 2], [60, 61]);
    await trace([61, 62], [239, 240]);
    await trace([200, 300]);
    await trace([-70, 10], [120, 130]);
    store.statements.length = 0;
    expect(await lines("{} | count_over_time()")).toEqual([
      '__name__="count_over_time": 0 2 2 0 2',
    ]);
    const selects = store.statements.join("\n").split("UNION ALL");
    expect(selects.map((sql) => /start_time >/.test(sql))).toEqual([true, false]);
    expect(selects.map((sql) => sql.match(/\.parquet/g)?.length)).toEqual([2, 2]);
  });

  test("are found where a span ends before it starts", async () => {
    await trace([-500, -490], [30, -480]);
    await trace([1, 2], [900, 3]);
    expect(await lines("{} | count_over_time()")).toEqual([
      '__name__="count_over_time": 0 2 0 0 0',
    ]);
    expect(await lines("{} | count_over_time()", INSTANT)).toEqual([
      '__name__="count_over_time": 2',
    ]);
  });

  test("have durations of all of int64", async () => {
    await trace([1, 1]);
    await trace([2, 3]);
    await trace([3, 3 + 2 ** 20]);
    const [aSecond, long] = [2 ** 30 / 1e9, 2 ** 50 / 1e9].map(shown);
    expect((await lines("{} | histogram_over_time(duration)", INSTANT)).sort()).toEqual(
      [`__bucket=${aSecond}: 1`, `__bucket=${long}: 1`].sort(),
    );
  });
});

describe("texts of labels", () => {
  const grouped = (): string[] => store.statements.filter((sql) => /GROUP BY/.test(sql));

  test("are grouped by their hashes where the segments list all of them", async () => {
    await segment([
      [1, { x: "", y: "nul \0 ' quote" }],
      [2, { x: "a", y: "é" }],
      [3, { y: "é" }],
      [4, { x: 7n, y: "\u{1f600}" }],
    ]);
    await segment([[5, { x: "a" }]]);
    await segment([[6, { z: "a" }]]);
    store.statements.length = 0;
    expect(await lines("{} | count_over_time() by (span.x)", INSTANT)).toEqual([
      'span.x="": 1',
      "span.x=7: 1",
      'span.x="a": 2',
      'span.x="nil": 2',
    ]);
    expect(grouped().map((sql) => sql.match(/hash\(/g)?.length)).toEqual([2]);
    expect((await lines("{} | count_over_time() by (.x, span.y)", INSTANT)).sort()).toEqual([
      '.x="" span.y="nul \\u0000 \' quote": 1',
      '.x="a" span.y="é": 1',
      '.x="a": 1',
      '.x="nil": 1',
      '.x=7 span.y="\u{1f600}": 1',
      'span.y="é": 1',
    ]);
  });

  test("are read themselves where a segment does not list all of them", async () => {
    await segment([[1, { x: "a" }]]);
    await segment(Array.from({ length: 70 }, (_, i) => [2, { x: `value ${i}` }]));
    store.statements.length = 0;
    const { series } = await runMetrics(store, "{} | rate() by (span.x)", GRID);
    expect(series).toHaveLength(71);
    expect(grouped().filter((sql) => sql.includes("hash("))).toEqual([]);
  });

  test("that rest in arrays of one are the same", async () => {
    await segment([[1, { x: "a" }]]);
    const arrays = [["a"], ["b"], ["a", "b"]].map((texts, i) => {
      const values = texts.map(anyValue);
      return aSpan({
        traceId: hex((nextTrace++).toString(16).padStart(32, "0")),
        startTimeUnixNano: T0 + BigInt(i + 1) * S,
        attributes: [{ key: "x", value: { value: { case: "arrayValue", value: { values } } } }],
      });
    });
    await store.add([{ resourceSpans: [{ scopeSpans: [{ spans: arrays }] }] }]);
    expect(await lines("{} | count_over_time() by (span.x)", INSTANT)).toEqual([
      'span.x="a": 2',
      'span.x="b": 1',
      'span.x="nil": 1',
    ]);
  });
});

test("the ids of traces are read for exemplars only", async () => {
  await segment([[1, { x: "a" }]]);
  store.statements.length = 0;
  for (const exemplars of [0, 5]) {
    const { series } = await runMetrics(store, "{} | rate() by (span.x)", GRID, { exemplars });
    expect(series.map((each) => each.exemplars.length)).toEqual([Math.min(exemplars, 1)]);
  }
  const grouped = store.statements.filter((sql) => /GROUP BY/.test(sql));
  expect(grouped.map((sql) => sql.includes("trace_id"))).toEqual([false, true]);
});
