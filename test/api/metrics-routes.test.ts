import type { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { T0, WORKED } from "../differential/worked-data.ts";
import { SegmentStore, TEST_LIMITS } from "../query/segment-store.ts";
import { batchOf } from "../support/batch-builder.ts";
import { apiOf } from "./api-fixture.ts";

const START = Number(T0 / 1_000_000_000n);
const RANGE = { start: String(START), end: String(START + 120), step: "60" };

let store: SegmentStore;
let app: Hono;
let defaults: SegmentStore["settings"];

beforeAll(async () => {
  store = await SegmentStore.open();
  defaults = store.settings;
  const spans = Object.values(WORKED);
  await store.addBatch(batchOf(spans.slice(0, 3)));
  await store.addBatch(batchOf(spans.slice(3)));
});
afterAll(async () => {
  await store.close();
});
beforeEach(() => {
  store.settings = defaults;
  store.limits = TEST_LIMITS;
  store.nowMs = (START + 600) * 1000;
  app = apiOf(store);
});

async function get(path: string, params: Record<string, string>): Promise<[number, string]> {
  const response = await app.request(`/api/metrics/${path}?${new URLSearchParams(params)}`);
  return [response.status, await response.text()];
}

async function range(q: string, more: Record<string, string> = {}): Promise<unknown> {
  const [status, text] = await get("query_range", { ...RANGE, q, ...more });
  expect([status, status === 200 ? "" : text]).toEqual([200, ""]);
  return JSON.parse(text);
}

const samples = (...values: (number | undefined)[]) =>
  values.map((value, i) => ({
    timestampMs: String((START + 60 * i) * 1000),
    ...(value === 0 ? {} : { value }),
  }));

describe("a range", () => {
  test("has typed labels, samples with zeros left out, and what was looked at", async () => {
    expect(
      await range("{ } | count_over_time() by (resource.service.name, span.retry)", {
        exemplars: "0",
        q: '{ resource.service.name = "pay" } | count_over_time() by (resource.service.name, span.retry) with (exemplars=false)',
      }),
    ).toEqual({
      series: [undefined, 2, 3].map((retry) => ({
        labels: [
          { key: "resource.service.name", value: { stringValue: "pay" } },
          ...(retry === undefined
            ? []
            : [{ key: "span.retry", value: { intValue: String(retry) } }]),
        ],
        samples: samples(0, 1, 0),
      })),
      metrics: {
        inspectedBytes: String(store.segments[0]!.byteSize + store.segments[1]!.byteSize),
        totalBlocks: 2,
        completedJobs: 2,
        totalJobs: 2,
        totalBlockBytes: String(store.segments[0]!.byteSize + store.segments[1]!.byteSize),
        inspectedSpans: "7",
      },
    });
  });

  test("of a filter that never holds has no series, but the key", async () => {
    expect(await range("{ false } | rate()")).toEqual({ series: [], metrics: {} });
  });

  test("without a match is zero when it counts all", async () => {
    const answer = await range('{ name = "nothing" } | rate()');
    expect(answer).toMatchObject({
      series: [
        {
          labels: [{ key: "__name__", value: { stringValue: "rate" } }],
          samples: samples(0, 0, 0),
        },
      ],
    });
  });

  test("has exemplars with their trace", async () => {
    const answer = (await range("{ name = `auth` } | max_over_time(duration) by (kind)")) as {
      series: { exemplars: unknown[] }[];
    };
    expect(answer.series[0]!.exemplars).toEqual([
      {
        labels: [
          { key: "trace:id", value: { stringValue: "a1" } },
          { key: "kind", value: { stringValue: "client" } },
        ],
        value: 0.2,
        timestampMs: String(START * 1000 + 50),
      },
    ]);
  });

  test("takes times in seconds, nanoseconds, fractions and RFC 3339, and `query` for `q`", async () => {
    // Which spans are exemplars may differ from one run to the next.
    const query = "{ } | rate() with(exemplars=false)";
    const wanted = await range(query);
    for (const [start, end] of [
      [String(T0), String(T0 + 120_000_000_000n)],
      [`${START}.0`, `${START + 120}.000`],
      ["2026-01-01T00:00:00Z", "2026-01-01T01:02:00.000000000+01:00"],
    ] as const) {
      const [status, text] = await get("query_range", {
        start,
        end,
        step: "1m",
        query,
      });
      expect(status).toBe(200);
      expect(JSON.parse(text).series).toEqual((wanted as { series: unknown }).series);
    }
  });

  test("is cut to the series that the request or the setting allows", async () => {
    const q = "{ } | count_over_time() by (span:id)";
    const message = (limit: number) =>
      `Response exceeds maximum series limit of ${limit}, a partial response is returned. Warning: the accuracy of each individual value is not guaranteed.`;
    const few = (await range(q, { maxSeries: "3" })) as { series: unknown[] };
    expect(few).toMatchObject({ status: "PARTIAL", message: message(3) });
    expect(few.series).toHaveLength(3);
    store.settings = { ...defaults, maxMetricsSeries: 2 };
    app = apiOf(store);
    expect(await range(q, { maxSeries: "3" })).toMatchObject({ message: message(2) });
    expect(await range(q, { maxSeries: "x" })).toMatchObject({ message: message(2) });
  });

  test("ends before now by the cut-off", async () => {
    store.settings = { ...defaults, queryEndCutoffMs: 30_000 };
    store.nowMs = (START + 100) * 1000;
    app = apiOf(store);
    expect(await range("{ } | count_over_time()")).toMatchObject({
      series: [{ samples: samples(1, 5) }],
    });
    store.nowMs = (START - 1000) * 1000;
    expect(await get("query_range", { ...RANGE, q: "{} | rate()" })).toEqual([
      400,
      "end must be greater than start",
    ]);
  });

  test("of an infinite number is text, as protobuf has it", async () => {
    const answer = await range(
      "({ } | count_over_time()) / ({ kind = server } | count_over_time())",
    );
    expect(answer).toMatchObject({
      series: [{ labels: [], samples: [samples(1)[0], { value: "Infinity" }, { value: 1 }] }],
    });
  });
});

describe("an instant", () => {
  const instant = (q: string) => get("query", { start: RANGE.start, end: RANGE.end, q });

  test("has a value for each series", async () => {
    const [status, text] = await instant("{ } | count_over_time()");
    expect([status, JSON.parse(text)]).toEqual([
      200,
      {
        series: [
          { labels: [{ key: "__name__", value: { stringValue: "count_over_time" } }], value: 6 },
        ],
        metrics: expect.objectContaining({ inspectedSpans: "7" }),
      },
    ]);
  });

  test("leaves out the key without series", async () => {
    expect(await instant("{ false } | rate()")).toEqual([200, '{"metrics":{}}']);
  });
});

describe("what is wrong is refused in Tempo's words", () => {
  const code = "rpc error: code = Code(400) desc = ";
  const by = (n: number) => Array.from({ length: n }, (_, i) => `.a${i}`).join(",");
  test.each<[string, Record<string, string>, string | RegExp]>([
    ["query_range", { q: "" }, "parse error : syntax error: unexpected $end"],
    ["query", { q: "" }, "compiling query: parse error : syntax error: unexpected $end"],
    ["query_range", { q: "{ .a = }" }, /^parse error at line 1, col 8: /],
    ["query", { q: "{ .a = }" }, /^compiling query: parse error at line 1, col 8: /],
    ["query_range", { q: "{ }" }, "not a metrics query"],
    ["query", { q: "{ }" }, "not a metrics query"],
    [
      "query_range",
      { q: `{} | rate() by (${by(6)})` },
      /^compiling query: metrics group by 6 values not yet supported/,
    ],
    [
      "query_range",
      { start: "x" },
      `${code}could not parse 'start' parameter: "x" is not a valid time`,
    ],
    [
      "query",
      { end: "1e400" },
      /^rpc error: code = Code\(400\) desc = could not parse 'end' parameter: /,
    ],
    [
      "query_range",
      { since: "1 h" },
      /^rpc error: code = Code\(400\) desc = could not parse 'since' parameter: /,
    ],
    ["query_range", { step: "1d" }, `${code}cannot parse "1d" to a valid duration`],
    ["query_range", { step: "-5" }, "start required"],
    ["query_range", { start: "0" }, "start required"],
    [
      "query_range",
      { step: "0" },
      /^step of 0s is too small, minimum step for given range is 12ms$/,
    ],
    [
      "query_range",
      { step: "1ms" },
      "step of 1ms is too small, minimum step for given range is 12ms",
    ],
    [
      "query_range",
      { step: "1ns" },
      "step of 1ns is too small, minimum step for given range is 12ms",
    ],
    ["query_range", { end: String(START - 1) }, "end must be greater than start"],
    ["query", { end: String(START) }, "end must be greater than start"],
    [
      "query_range",
      { end: String(START + 86_400) },
      "metrics query time range exceeds the maximum allowed duration of 24h0m0s",
    ],
    [
      "query",
      { end: String(START + 86_401) },
      "metrics query time range exceeds the maximum allowed duration of 24h0m0s",
    ],
    [
      "query_range",
      { start: "1", end: String(100 * 365 * 86_400), step: "" },
      "metrics query time range exceeds the maximum allowed duration of 24h0m0s",
    ],
  ])("%s %j", async (path, params, text) => {
    const [status, body] = await get(path, { ...RANGE, q: "{} | rate()", ...params });
    expect(status).toBe(400);
    if (typeof text === "string") expect(body).toBe(text);
    else expect(body).toMatch(text);
  });

  test("what is just within the limits is not", async () => {
    const ok = async (path: string, params: Record<string, string>) =>
      expect((await get(path, { ...RANGE, q: "{} | rate()", ...params }))[0]).toBe(200);
    await ok("query_range", { end: String(START + 86_340) });
    await ok("query", { end: String(START + 86_400) });
    await ok("query_range", { end: RANGE.start });
    await ok("query_range", { step: "12ms" });
    await ok("query_range", { exemplars: "x", maxSeries: "-1", instant: "?" });
    await ok("query", { step: "x" });
    store.limits = { ...TEST_LIMITS, maxMetricsDurationMs: 0 };
    app = apiOf(store);
    await ok("query_range", { start: "1", end: String(100 * 365 * 86_400), step: "" });
  });
});
