import { fromBinary } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SearchResponseSchema } from "../../gen/tempopb/tempo_pb.ts";
import { SegmentStore, TEST_LIMITS } from "../query/segment-store.ts";
import { aSpan, attributes, hex, type SpanInit } from "../support/otlp-builder.ts";
import { apiOf } from "./api-fixture.ts";

/** 2023-11-14T22:13:20Z */
const T0 = 1_700_000_000;
const SECOND = 1_000_000_000n;
const at = (seconds: number): bigint => BigInt(Math.round((T0 + seconds) * 1000)) * 1_000_000n;
const traceId = (n: number): string => n.toString(16).padStart(32, "0");

let store: SegmentStore;
let app: Hono;

function spanOf(trace: number, span: number, start: number, ms: number, init: SpanInit = {}) {
  return {
    traceId: hex(traceId(trace)),
    spanId: hex(span.toString(16).padStart(16, "0")),
    name: `op${span}`,
    startTimeUnixNano: at(start),
    endTimeUnixNano: at(start) + BigInt(ms) * 1_000_000n,
    ...init,
  };
}

function requestOf(service: string | undefined, spans: SpanInit[]) {
  const resource = {
    attributes: service === undefined ? [] : attributes({ "service.name": service }),
  };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "lib" }, spans }] }] };
}

beforeAll(async () => {
  store = await SegmentStore.open();
  const parentSpanId = hex("0000000000000001");
  // Trace 1 lies in two segments: its root in the older, an error in the newer.
  await store.add([
    requestOf("checkout", [
      spanOf(1, 1, 0, 125, {
        kind: 2,
        attributes: attributes({ "http.status_code": 200n, f: 1.5 }),
      }),
      spanOf(1, 2, 0.01, 80, { parentSpanId, attributes: attributes({ retry: true }) }),
    ]),
    requestOf(undefined, [spanOf(2, 1, 5, 0, { attributes: attributes({ only: "two" }) })]),
  ]);
  await store.add(
    [
      requestOf("pay", [
        spanOf(1, 3, 0.02, 2000, {
          parentSpanId,
          status: { code: 2, message: "declined" },
          attributes: attributes({ "http.status_code": 503n, "service.name": "shadow" }),
        }),
        spanOf(3, 9, 10, 30_000, { parentSpanId, attributes: attributes({ odd: Number.NaN }) }),
      ]),
    ],
    { level: 0 },
  );
  app = apiOf(store);
});
afterAll(async () => {
  await store.close();
});
beforeEach(() => {
  store.limits = TEST_LIMITS;
});

const q = (query: string, more = "") => `/api/search?q=${encodeURIComponent(query)}${more}`;
const search = async (path: string) => {
  const response = await app.request(path);
  const text = await response.text();
  return { status: response.status, body: response.status === 200 ? JSON.parse(text) : text };
};
const ids = async (path: string): Promise<string[]> => {
  const { body } = await search(path);
  return body.traces.map((trace: { traceID: string }) => trace.traceID);
};

test("a result has the shape Grafana decodes strictly", async () => {
  const { body } = await search(
    q("{ resource.service.name = `pay` && status = error && span.http.status_code > 500 }"),
  );
  const spanSet = {
    spans: [
      {
        spanID: "0000000000000003",
        startTimeUnixNano: at(0.02).toString(),
        durationNanos: (2n * SECOND).toString(),
        attributes: expect.arrayContaining([
          { key: "service.name", value: { stringValue: "pay" } },
          { key: "status", value: { stringValue: "error" } },
          { key: "http.status_code", value: { intValue: "503" } },
        ]),
      },
    ],
    matched: 1,
  };
  expect(body.traces).toEqual([
    {
      traceID: "1",
      rootServiceName: "checkout",
      rootTraceName: "op1",
      startTimeUnixNano: at(0).toString(),
      durationMs: 2020,
      spanSet,
      spanSets: [spanSet],
      serviceStats: {
        checkout: { spanCount: 2 },
        pay: { spanCount: 1, errorCount: 1 },
      },
    },
  ]);
  expect(body.traces[0].spanSet.spans[0].attributes).toHaveLength(3);
  expect(Object.keys(body).sort()).toEqual(["metrics", "traces"]);
  expect(body.metrics).toMatchObject({ totalBlocks: 2, inspectedTraces: 1 });
});

test("protobuf says the same", async () => {
  const headers = { accept: "application/protobuf" };
  const response = await app.request(q("{ span.odd != nil || span.retry }"), { headers });
  expect(response.headers.get("content-type")).toBe("application/protobuf");
  const message = fromBinary(SearchResponseSchema, new Uint8Array(await response.arrayBuffer()));
  expect(message.traces.map((trace) => trace.traceID)).toEqual(["3", "1"]);
  expect(message.traces[0]?.rootServiceName).toBe("<root span not yet received>");
  expect(message.traces[1]?.spanSet?.spans[0]?.attributes[0]).toMatchObject({
    key: "retry",
    value: { value: { case: "boolValue", value: true } },
  });
  expect(message.traces[1]?.serviceStats.pay?.errorCount).toBe(1);
  expect(message.metrics).toBeDefined();
});

test("values without a JSON number are text", async () => {
  const { body } = await search(q("{ span.odd != nil }"));
  expect(body.traces[0].spanSets[0].spans[0].attributes).toEqual([
    { key: "odd", value: { doubleValue: "NaN" } },
  ]);
});

test("a missing root is named so, with JSON's brackets escaped; zero durations are left out", async () => {
  const text = await (await app.request(q("{ span.only = `two` }"))).text();
  expect(text).toContain('"rootServiceName":"\\u003croot span not yet received\\u003e"');
  const [trace] = JSON.parse(text).traces;
  expect(trace).not.toHaveProperty("durationMs");
  expect(trace.rootTraceName).toBe("op1");
  expect(trace.serviceStats).toEqual({ "": { spanCount: 1 } });
});

describe("echo", () => {
  const echoed = async (query: string) => {
    const { body } = await search(q(query));
    return body.traces[0].spanSets[0].spans[0];
  };

  test("names and ids come in fields of their own", async () => {
    const span = await echoed(
      "{ name = `op2` && duration > 1ms && traceDuration > 1ms && rootName = `op1` && span:id != `x` && trace:id != `x` }",
    );
    expect(span).toMatchObject({ name: "op2" });
    expect(span).not.toHaveProperty("attributes");
    expect(await echoed("{ span.retry }")).not.toHaveProperty("name");
  });

  test("select adds fields, keys have no scope, unscoped prefers the span's", async () => {
    const span = await echoed(
      "{ status = error } | select(.service.name, resource.service.name, kind, nestedSetParent, span:parentID, span.none)",
    );
    const shown = span.attributes.map(({ key, value }: { key: string; value: object }) => [
      key,
      Object.values(value)[0],
    ]);
    expect(shown.sort()).toEqual(
      [
        ["status", "error"],
        ["service.name", "shadow"],
        ["service.name", "pay"],
        ["kind", "unspecified"],
        ["nestedSetParent", "1"],
        ["span:parentID", "0000000000000001"],
      ].sort(),
    );
  });
});

describe("which traces", () => {
  test("newest start first", async () => {
    expect(await ids(q("{}"))).toEqual(["3", "2", "1"]);
    expect(await ids("/api/search")).toEqual(["3", "2", "1"]);
    expect(await ids(q("{}", "&limit=2"))).toEqual(["3", "2"]);
  });

  test("leaves of one trace may match in different segments", async () => {
    expect(await ids(q("{ span.retry } && { status = error }"))).toEqual(["1"]);
    expect(await ids(q("{ span.retry } && { span.odd != nil }"))).toEqual([]);
    expect(await ids(q("{ span.only != nil } || ({ span.retry } && { status = error })"))).toEqual([
      "2",
      "1",
    ]);
  });

  test("only leaves of satisfied sides return spans", async () => {
    const { body } = await search(
      q("({ span.retry } && { span.only = `two` }) || { status = error }"),
    );
    expect(body.traces).toHaveLength(1);
    expect(body.traces[0].spanSets[0].spans.map((s: { spanID: string }) => s.spanID)).toEqual([
      "0000000000000003",
    ]);
  });

  test.each([
    [T0 - 10, T0 - 1, []],
    [T0 - 10, T0, ["1"]],
    [T0 + 2, T0 + 5, ["2", "1"]],
    [T0 + 3, T0 + 5, ["2"]],
    [T0 + 40, T0 + 41, ["3"]],
    [T0 + 41, T0 + 42, []],
  ])(
    "range %i to %i holds the traces that overlap it, ends included",
    async (start, end, expected) => {
      expect(await ids(q("{}", `&start=${start}&end=${end}`))).toEqual(expected);
      expect(await ids(`/api/search?start=${start}&end=${end}`)).toEqual(expected);
    },
  );

  test("a query that is false for all data reads nothing", async () => {
    store.statements.length = 0;
    for (const query of ["{ false }", "{ 3 = 4 }", "{ false } && {}"]) {
      expect((await search(q(query))).body).toEqual({ traces: [], metrics: {} });
    }
    expect(store.statements).toEqual([]);
  });

  test("segments that cannot match are not opened", async () => {
    store.statements.length = 0;
    expect(await ids(q("{ span.nowhere = 1 } && {}"))).toEqual([]);
    expect(store.statements).toEqual([]);
    expect(await ids(q("{ span.retry }"))).toEqual(["1"]);
    expect(store.statements[0]?.match(/\.parquet/g)).toHaveLength(1);
  });

  test("metrics stages and hints are accepted and play no part", async () => {
    expect(await ids(q("{ span.retry } | rate() with (most_recent=true)"))).toEqual(["1"]);
  });
});

describe("spss", () => {
  const spans = async (more: string) => {
    const { body } = await search(q("{ trace:id = `1` }", more));
    const [set] = body.traces[0].spanSets;
    return [set.matched, set.spans.map((s: { spanID: string }) => Number(s.spanID))];
  };

  test("limits spans and not the count, earliest first; 0 is the server's maximum", async () => {
    expect(await spans("&spss=1")).toEqual([3, [1]]);
    expect(await spans("&spss=2")).toEqual([3, [1, 2]]);
    expect(await spans("&spss=0")).toEqual([3, [1, 2, 3]]);
    expect(await spans("&spss=100")).toEqual([3, [1, 2, 3]]);
    store.limits = { ...TEST_LIMITS, defaultSpansPerSpanSet: 1, maxSpansPerSpanSet: 0 };
    expect(await spans("")).toEqual([3, [1]]);
    expect(await spans("&spss=4294967295")).toEqual([3, [1, 2, 3]]);
  });
});

test("ids are padded for tenants that want it", async () => {
  store.limits = { ...TEST_LIMITS, leftPadTraceIds: true };
  expect(await ids(q("{ span.retry }"))).toEqual([traceId(1)]);
});

describe("legacy search", () => {
  const tags = (text: string, more = "") => `/api/search?tags=${encodeURIComponent(text)}${more}`;

  test("answers with five scalar fields", async () => {
    const { body } = await search(tags("service.name=pay"));
    expect(body.traces.map((trace: object) => Object.keys(trace))).toEqual([
      ["traceID", "rootServiceName", "startTimeUnixNano", "durationMs"],
      ["traceID", "rootServiceName", "rootTraceName", "startTimeUnixNano", "durationMs"],
    ]);
  });

  test("matches as the old search did", async () => {
    expect(await ids(tags("service.name=check"))).toEqual(["1"]);
    expect(await ids(tags("service.name=CHECK"))).toEqual([]);
    expect(await ids(tags("status.code=error http.status_code=200"))).toEqual(["1"]);
    expect(await ids(tags("only=two"))).toEqual(["2"]);
    expect(await ids(tags("only=tw"))).toEqual([]);
    expect(await ids(tags('name="op9"'))).toEqual(["3"]);
    expect(await ids("/api/search?only=nothing")).toEqual(["3", "2", "1"]);
  });

  test("bounds the duration of whole traces", async () => {
    expect(await ids("/api/search?minDuration=2s")).toEqual(["3", "1"]);
    expect(await ids("/api/search?minDuration=2020ms&maxDuration=2.02s")).toEqual(["1"]);
    expect(await ids("/api/search?maxDuration=2019ms")).toEqual(["2"]);
    expect(await ids(tags("service.name=pay", "&minDuration=3s"))).toEqual(["3"]);
  });
});

const RANGE = "http parameter start must be before end. received";
test.each([
  ["q={}&tags=a=b", "invalid request: can't specify tags and q in the same query"],
  ["tags=a=1%20a=2", "invalid tags: tag a has been set twice"],
  ["tags==", /^invalid tags: .* at pos 1$/],
  ["minDuration=abc", 'invalid minDuration: time: invalid duration "abc"'],
  ["minDuration=5", 'invalid minDuration: time: missing unit in duration "5"'],
  ["minDuration=2s&maxDuration=1s", "invalid maxDuration: must be greater than minDuration"],
  ["limit=0", "invalid limit: must be a positive number"],
  ["limit=abc", 'invalid limit: strconv.ParseUint: parsing "abc": invalid syntax'],
  ["limit=-1", 'invalid limit: strconv.ParseUint: parsing "-1": invalid syntax'],
  [
    "limit=4294967296",
    'invalid limit: strconv.ParseUint: parsing "4294967296": value out of range',
  ],
  ["limit=2147483648", "limit 2147483648 exceeds max limit 262144"],
  ["limit=262145", "limit 262145 exceeds max limit 262144"],
  ["spss=x", 'invalid spss: strconv.ParseUint: parsing "x": invalid syntax'],
  ["spss=101", "spans per span set exceeds 100. received 101"],
  ["start=10", `${RANGE} start=10 end=0`],
  ["start=10&end=10", `${RANGE} start=10 end=10`],
  [
    "end=10",
    "error parsing date range: only one of start and end provided: must provide both or neither",
  ],
  ["start=2023-11-14T00:00:00Z&end=5", /^invalid start: strconv\.ParseUint: /],
  ["start=1700000000000000000&end=5", /^invalid start: strconv\.ParseUint: .* value out of range$/],
  [
    "since=abc",
    `error parsing date range: could not parse 'since' parameter: not a valid duration string: "abc"`,
  ],
  [
    "start=1000000000&end=1000604801",
    "range specified by start and end exceeds 168h0m0s. received start=1000000000 end=1000604801",
  ],
  ["since=8d", /^range specified by start and end exceeds 168h0m0s\. received /],
  ["q=%7B", /^invalid TraceQL query: parse error at line 1, col \d+: /],
  ["q=%7B%20name%20%3E%207%20%7D", /^invalid TraceQL query: /],
  ["q=%7Bparent%3Dnil%7D", /^invalid TraceQL query: /],
  [
    `q=${"x".repeat(131_073)}`,
    /^TraceQL expression exceeds the configured maximum size of 131072 bytes, /,
  ],
])("the bad parameters of case %# are 400 with Tempo's text", async (parameters, message) => {
  const { status, body } = await search(`/api/search?${parameters}`);
  expect([status, body]).toEqual([
    400,
    typeof message === "string" ? message : expect.stringMatching(message),
  ]);
});

test("edges of the limits are accepted", async () => {
  expect((await search("/api/search?start=1000000000&end=1000604800")).status).toBe(200);
  expect(await ids("/api/search?limit=262144")).toHaveLength(3);
  store.limits = { ...TEST_LIMITS, maxSearchLimit: 0 };
  expect(await ids("/api/search?limit=2147483648")).toHaveLength(3);
  expect(await ids(q("{} && {}", "&limit=4294967295"))).toHaveLength(3);
});

test("the range is clamped to the cutoff, and a younger one becomes the last quarter hour", async () => {
  store.settings = { ...store.settings, queryEndCutoffMs: 30_000 };
  store.nowMs = (T0 + 37) * 1000;
  app = apiOf(store);
  // The latest end is T0 + 7.
  expect(await ids(`/api/search?start=${T0}&end=${T0 + 100}`)).toEqual(["2", "1"]);
  expect(await ids(`/api/search?start=${T0 + 20}&end=${T0 + 100}`)).toEqual(["2", "1"]);
  expect(await ids("/api/search?since=3s")).toEqual(["2"]);
});

test("hostile values stay values", async () => {
  const hostile = ["'; DROP TABLE x; --", '"\\\\', "\u0000", "é\u{1F4A3}", "%' OR 1=1"];
  for (const value of hostile) {
    const { status } = await search(
      q(`{ span.x = ${JSON.stringify(value).replace("\\u0000", "\\x00")} }`),
    );
    expect(status).toBe(200);
    expect(
      (await search(`/api/search?tags=${encodeURIComponent(`x=${JSON.stringify(value)}`)}`)).status,
    ).toBe(200);
  }
});

test("an answer too large for memory is refused", async () => {
  const large = await SegmentStore.open();
  try {
    // One text on every span: little on disk, much in the answer.
    const text = "x".repeat(200_000);
    const spans = Array.from({ length: 200 }, (_, i) =>
      aSpan({
        traceId: hex(String(1 + (i % 2)).padStart(32, "0")),
        spanId: hex(String(100 + i).padStart(16, "0")),
        attributes: attributes({ text }),
      }),
    );
    await large.add([{ resourceSpans: [{ scopeSpans: [{ spans }] }] }]);
    const ask = (spss: number) => {
      const query = encodeURIComponent("{} | select(span.text)");
      return apiOf(large).request(`/api/search?q=${query}&spss=${spss}`);
    };
    const refused = await ask(100);
    expect([refused.status, await refused.text()]).toEqual([
      400,
      "the answer exceeds 33554432 bytes, ask for fewer traces (limit) or spans (spss)",
    ]);
    expect((await ask(3)).status).toBe(200);
  } finally {
    await large.close();
  }
});
