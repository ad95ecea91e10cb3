import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { StreamingQuerier } from "../../../gen/tempopb/tempo_pb.ts";
import { queryGrpcService } from "../../../src/api/grpc/health.ts";
import { streamingQuerier } from "../../../src/api/grpc/streaming-querier.ts";
import { connectHandlers, connectRoutes } from "../../../src/server/connect.ts";
import { Readiness } from "../../../src/server/readiness.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { SegmentStore, TEST_LIMITS } from "../../query/segment-store.ts";
import { eventually, Sockets } from "../../runtime/support.ts";
import { attributes, hex, type SpanInit } from "../../support/otlp-builder.ts";
import { StreamingClient } from "./streaming-fixture.ts";

/** 2023-11-14T22:13:20Z */
const T0 = 1_700_000_000;
const TRACES = 300;
const traceId = (n: number): string => n.toString(16).padStart(32, "0");

const sockets = new Sockets();
const clients: StreamingClient[] = [];
let store: SegmentStore;

function span(trace: number, more: Record<string, string | bigint> = {}): SpanInit {
  const start = BigInt(T0 + trace) * 1_000_000_000n;
  return {
    traceId: hex(traceId(trace)),
    spanId: hex("00000000000000a1"),
    name: `op ${trace}`,
    startTimeUnixNano: start,
    endTimeUnixNano: start + 5_000_000n,
    attributes: attributes({ "http.status_code": BigInt(200 + (trace % 2) * 300), ...more }),
  };
}

function requestOf(spans: SpanInit[]) {
  const resource = { attributes: attributes({ "service.name": "shop" }) };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "lib" }, spans }] }] };
}

beforeAll(async () => {
  store = await SegmentStore.open();
  const half = TRACES / 2;
  const numbers = Array.from({ length: TRACES }, (_, i) => i + 1);
  await store.add([requestOf(numbers.slice(0, half).map((n) => span(n, { old: `v${n}` })))]);
  await store.add([requestOf(numbers.slice(half).map((n) => span(n)))]);
});
afterAll(() => store.close());
afterEach(async () => {
  store.limits = TEST_LIMITS;
  for (const client of clients.splice(0)) client.close();
  await sockets.closeAll();
});

async function serve(options: { maxPacketBytes?: number; multitenancyEnabled?: boolean } = {}) {
  const observed: [string, number][] = [];
  const engine = store.engine();
  const handlers = connectHandlers(
    streamingQuerier({
      engine,
      log: silentLogger,
      tenantRules: {
        multitenancyEnabled: options.multitenancyEnabled ?? false,
        multiTenantQueriesEnabled: true,
      },
      maxPacketBytes: options.maxPacketBytes ?? 2_097_152,
    }),
    { maxRecvMessageBytes: 16_777_216, maxSendMessageBytes: 16_777_216 },
  );
  const { port } = await sockets.listen({
    fetch: (request, env) => connectRoutes(handlers).fetch(request, env),
    grpc: queryGrpcService(new Readiness(), handlers, (path, code) => observed.push([path, code])),
  });
  const client = new StreamingClient(port);
  clients.push(client);
  return { client, port, observed, engine };
}

describe("Search", () => {
  test("ends with all traces, newest first, with metrics in every message", async () => {
    const { client, observed } = await serve();
    const answer = await client.call("search", { Query: "{}", Limit: TRACES, SpansPerSpanSet: 1 });
    expect([answer.code, answer.details]).toEqual([0, ""]);
    const last = answer.messages.at(-1)!;
    expect(last.traces.length).toBe(TRACES);
    expect(last.traces[0]).toMatchObject({
      traceID: TRACES.toString(16),
      rootServiceName: "shop",
      rootTraceName: `op ${TRACES}`,
      durationMs: 5,
    });
    expect(last.metrics).toMatchObject({ completedJobs: 2, totalJobs: 2, totalBlocks: 2 });
    expect(answer.messages.every(({ metrics }) => metrics !== undefined)).toBe(true);
    expect(observed).toEqual([["/tempopb.StreamingQuerier/Search", 0]]);
  });

  test("gives partial results before the whole, each trace once among them", async () => {
    const { client } = await serve();
    const answer = await client.call("search", { Query: "{ span.old != nil }", Limit: TRACES });
    const partial = answer.messages.slice(0, -1).flatMap(({ traces }) => traces);
    expect(new Set(partial.map((trace) => trace.traceID)).size).toBe(partial.length);
    expect(answer.messages.at(-1)!.traces.length).toBe(TRACES / 2);
  });

  test("splits what is larger than a packet, with at least one trace in each", async () => {
    const query = { Query: "{ span.http.status_code > 0 }", Limit: TRACES };
    const whole = (await (await serve()).client.call("search", query)).messages.at(-1)!;
    for (const maxPacketBytes of [1, 2000, 10_000]) {
      const { client } = await serve({ maxPacketBytes });
      const answer = await client.call("search", query);
      expect(answer.code).toBe(0);
      expect(answer.messages.every(({ metrics }) => metrics?.totalJobs === 2)).toBe(true);
      if (maxPacketBytes > 1) expect(Math.max(...answer.sizes)).toBeLessThanOrEqual(maxPacketBytes);
      // A search that takes its time tells how far it is, without any.
      else expect(Math.max(...answer.messages.map(({ traces }) => traces.length))).toBe(1);
      expect(
        answer.messages
          .slice(-TRACES)
          .flatMap(({ traces }) => traces)
          .slice(-TRACES),
      ).toEqual(whole.traces);
    }
  });

  test("takes 0 for the default limit and spans, and answers with one message when nothing matches", async () => {
    const { client } = await serve();
    const some = await client.call("search", { Query: "{}" });
    expect(some.messages.at(-1)!.traces.length).toBe(20);
    const none = await client.call("search", { Query: '{ name = "nobody" }' });
    expect(none.messages.length).toBeGreaterThan(0);
    expect(none.messages.at(-1)).toMatchObject({ traces: [], metrics: {} });
    expect((await client.call("search", { Query: "{ false }" })).messages.length).toBe(1);
  });

  test("takes a range in seconds, and legacy tags and durations", async () => {
    const { client } = await serve();
    const range = { start: T0 + 10, end: T0 + 12 };
    const some = await client.call("search", { Query: "{}", ...range });
    expect(some.messages.at(-1)!.traces.map((trace) => trace.traceID)).toEqual(["c", "b", "a"]);
    const tagged = await client.call("search", { Tags: { old: "v7" }, MinDurationMs: 5 });
    expect(tagged.messages.at(-1)!.traces.map((trace) => trace.traceID)).toEqual(["7"]);
    const short = await client.call("search", { Tags: { old: "v7" }, MinDurationMs: 6 });
    expect(short.messages.at(-1)!.traces).toEqual([]);
  });

  test.each([
    [{ Query: "{ nonsense" }, /^invalid TraceQL query: parse error at line 1, col/],
    [{ Query: "{}", Limit: 300_000 }, /^limit 300000 exceeds max limit 262144$/],
    [{ Query: "{}", SpansPerSpanSet: 101 }, /^spans per span set exceeds 100\. received 101$/],
    [{ Query: "{}", start: 10, end: 5 }, /^http parameter start must be before end/],
    [{ Query: "{}", end: 5 }, /^error parsing date range: only one of start and end provided/],
    [{ Query: "{}", start: T0 - 10_000_000, end: T0 }, /^range specified by start and end exceeds/],
    [{ Tags: { "a b": "c d" }, Query: "{}" }, /can't specify tags and q in the same query/],
  ])("refuses %j with InvalidArgument and the text of HTTP", async (request, text) => {
    const { client, observed } = await serve();
    const answer = await client.call("search", request);
    expect(answer.code).toBe(3);
    expect(answer.details).toMatch(text);
    expect(observed).toEqual([["/tempopb.StreamingQuerier/Search", 3]]);
  });

  test("a failure inside is Internal and tells nothing of itself", async () => {
    const { client } = await serve();
    store.onSnapshot = () => {
      throw new Error("secret");
    };
    const answer = await client.call("search", { Query: "{}" });
    store.onSnapshot = () => {};
    expect([answer.code, answer.details]).toEqual([13, "internal error"]);
  });
});

describe("tags", () => {
  test("SearchTags and SearchTagsV2", async () => {
    const { client } = await serve();
    const v1 = await client.call("searchTags", { scope: "span" });
    expect(v1.messages.map(({ tagNames }) => tagNames)).toEqual([["http.status_code", "old"]]);
    expect(v1.messages[0]!.metrics?.totalBlocks).toBe(2);
    const v2 = await client.call("searchTagsV2", { query: '{ span.old = "v7" }' });
    const scopes = v2.messages.flatMap((message) => message.scopes);
    expect(scopes.find(({ name }) => name === "span")?.tags).toEqual(["http.status_code", "old"]);
    expect(scopes.find(({ name }) => name === "intrinsic")?.tags.length).toBe(25);
  });

  test("SearchTagValues and SearchTagValuesV2", async () => {
    const { client } = await serve();
    const v1 = await client.call("searchTagValues", { tagName: "service.name" });
    expect(v1.messages.map(({ tagValues }) => tagValues)).toEqual([["shop"]]);
    const v2 = await client.call("searchTagValuesV2", {
      tagName: "span.http.status_code",
      query: '{ span.old = "v7" }',
    });
    expect(v2.messages.flatMap(({ tagValues }) => tagValues)).toMatchObject([
      { type: "int", value: "500" },
    ]);
  });

  test("come in packets, a scope in several", async () => {
    const { client } = await serve({ maxPacketBytes: 200 });
    const values = await client.call("searchTagValuesV2", { tagName: "span.old" });
    expect(values.messages.length).toBeGreaterThan(5);
    expect(Math.max(...values.sizes)).toBeLessThanOrEqual(200);
    expect(values.messages.every(({ metrics }) => metrics?.totalBlocks === 2)).toBe(true);
    expect(
      new Set(values.messages.flatMap((m) => m.tagValues.map(({ value }) => value))).size,
    ).toBe(TRACES / 2);
    const names = await client.call("searchTagsV2", {});
    expect(names.messages.length).toBeGreaterThan(3);
    const plain = await client.call("searchTagValues", { tagName: "old" });
    expect(plain.messages.length).toBeGreaterThan(5);
  });

  test.each([
    ["searchTags", { scope: "foo" }, "invalid scope: foo"],
    ["searchTagsV2", { scope: "foo" }, "invalid scope: foo"],
    ["searchTagValues", {}, "please provide a non-empty tagName"],
    ["searchTagValuesV2", { tagName: "" }, "please provide a non-empty tagName"],
    ["searchTagValuesV2", { tagName: "{" }, "please provide a valid tagName"],
    ["searchTags", { start: 1, end: T0 }, "range specified by start and end exceeds 168h0m0s."],
  ] as const)("%s refuses %j", async (method, request, text) => {
    const { client } = await serve();
    const answer = await client.call(method, request);
    expect(answer.code).toBe(3);
    expect(answer.details).toContain(text);
  });
});

describe("metrics", () => {
  const SECOND = 1_000_000_000n;
  const start = BigInt(T0) * SECOND;
  const range = { start, end: start + 600n * SECOND, step: 60n * SECOND };

  beforeEach(() => {
    store.nowMs = (T0 + 3600) * 1000;
  });

  test("MetricsQueryRange ends with every sample, and no sample changes on the way", async () => {
    const { client } = await serve();
    const query = "{} | count_over_time() by (resource.service.name)";
    const answer = await client.call("metricsQueryRange", { query, ...range });
    expect([answer.code, answer.details]).toEqual([0, ""]);
    const last = answer.messages.at(-1)!;
    expect(last.series.length).toBe(1);
    expect(last.series[0]!.labels).toMatchObject([
      { key: "resource.service.name", value: { value: { case: "stringValue", value: "shop" } } },
    ]);
    const samples = new Map(last.series[0]!.samples.map((s) => [s.timestampMs, s.value]));
    expect([...samples.values()].reduce((a, b) => a + b, 0)).toBe(TRACES);
    expect(last.series[0]!.exemplars.length).toBeGreaterThan(0);
    expect(last.status).toBe(0);
    for (const { metrics, series } of answer.messages) {
      expect(metrics).toBeDefined();
      for (const { timestampMs, value } of series.flatMap((one) => one.samples)) {
        expect(samples.get(timestampMs)).toBe(value);
      }
    }
    expect(last.metrics).toMatchObject({ totalJobs: 2, completedJobs: 2, totalBlocks: 2 });
  });

  test("a step of 0 is chosen by the range", async () => {
    const { client } = await serve();
    const query = "{} | rate()";
    const answer = await client.call("metricsQueryRange", { query, ...range, step: 0n });
    const samples = answer.messages.at(-1)!.series[0]!.samples;
    // 600 s / 240 is 2.5 s, of which whole seconds.
    expect(samples[1]!.timestampMs - samples[0]!.timestampMs).toBe(2000n);
  });

  test("come in packets, the status in the last", async () => {
    const { client } = await serve({ maxPacketBytes: 1000 });
    const query = "{} | count_over_time() by (name)";
    const answer = await client.call("metricsQueryRange", { query, ...range, maxSeries: 50 });
    expect(answer.code).toBe(0);
    expect(Math.max(...answer.sizes)).toBeLessThanOrEqual(1000);
    const finals = answer.messages.filter(({ message }) => message !== "");
    expect(finals.length).toBe(1);
    expect(finals[0]).toBe(answer.messages.at(-1));
    expect(finals[0]).toMatchObject({
      status: 1,
      message: expect.stringMatching(/^Response exceeds maximum series limit of 50/),
    });
  });

  test("MetricsQueryInstant gives values", async () => {
    const { client } = await serve();
    const query = "{} | count_over_time() by (span.http.status_code)";
    const { start, end } = range;
    const answer = await client.call("metricsQueryInstant", { query, start, end });
    expect([answer.code, answer.details]).toEqual([0, ""]);
    expect(answer.messages.at(-1)!.series.map(({ value }) => value)).toEqual([150, 150]);
    expect(answer.messages.every(({ metrics }) => metrics !== undefined)).toBe(true);
  });

  const day = 86_400n * SECOND;
  const limit = /^metrics query time range exceeds the maximum allowed duration of 24h0m0s$/;
  const { step: _, ...times } = range;
  type Refused = [string, { query: string; start?: bigint; end?: bigint }, number, RegExp];
  test.each<Refused>([
    ["a syntax error", { query: "{ oops", ...times }, 2, /parse error at line 1, col/],
    ["a search", { query: "{}", ...times }, 2, /^not a metrics query$/],
    ["nothing", { query: "", ...times }, 2, /unexpected \$end/],
    ["no start", { query: "{} | rate()" }, 2, /^start required$/],
    ["an end before the start", { query: "{} | rate()", start: 10n, end: 5n }, 2, /^end must be/],
    ["two days", { query: "{} | rate()", start, end: start + 2n * day }, 3, limit],
  ])("both refuse %s", async (_name, request, code, text) => {
    store.limits = { ...TEST_LIMITS, maxMetricsDurationMs: 86_400_000 };
    const { client } = await serve();
    for (const method of ["metricsQueryRange", "metricsQueryInstant"] as const) {
      const answer = await client.call(method, request);
      expect(answer.details).toMatch(text);
      expect(answer.code).toBe(code);
    }
  });

  test("a step too small is Unknown", async () => {
    const { client } = await serve();
    const answer = await client.call("metricsQueryRange", {
      query: "{} | rate()",
      ...range,
      step: 1n,
    });
    expect([answer.code, answer.details]).toEqual([
      2,
      expect.stringMatching(/^step of 1ns is too small, minimum step for given range is/),
    ]);
  });

  test.each([
    ["2^64", 2n ** 64n - 1000n, 2n ** 64n - 1n, 100n],
    ["2^63", 2n ** 63n - 1000n, 2n ** 63n + 1000n, 100n],
    ["2^64 with one step", 2n ** 64n - 1000n, 2n ** 64n - 1n, 2n ** 64n - 1n],
    ["all there is", 1n, 2n ** 64n - 1n, 2n ** 63n],
    ["1", 1n, 1000n, 1n],
  ] as const)(
    "times near %s end in an answer or a clear error",
    async (_name, start, end, step) => {
      store.limits = { ...TEST_LIMITS, maxMetricsDurationMs: 0 };
      const { client } = await serve();
      const query = "{} | rate()";
      const answers = [
        await client.call("metricsQueryRange", { query, start, end, step }),
        await client.call("metricsQueryRange", { query, start, end }),
        await client.call("metricsQueryInstant", { query, start, end }),
      ];
      for (const { code, details, messages } of answers) {
        expect([0, 2, 3], details).toContain(code);
        expect(details).not.toBe("internal error");
        if (code === 0) expect(messages.length).toBeGreaterThan(0);
      }
    },
  );
});

describe("tenants", () => {
  const cases: [readonly (readonly [string, string])[], number, string][] = [
    [[], 2, "no org id"],
    [
      [
        ["x-scope-orgid", "a"],
        ["x-scope-orgid", "b"],
      ],
      2,
      "no org id",
    ],
    [[["x-scope-orgid", ""]], 3, "no org id"],
    [[["x-scope-orgid", "a/b"]], 3, "tenant ID 'a/b' contains unsupported character '/'"],
    [
      [
        ["x-scope-orgid", "a"],
        ["x-scope-orgid", "a"],
      ],
      0,
      "",
    ],
    [[["x-scope-orgid", "a|single-tenant"]], 0, ""],
  ];
  test.each(cases)("metadata %j", async (metadata, code, details) => {
    const { client } = await serve({ multitenancyEnabled: true });
    const { end, start } = { start: BigInt(T0) * 10n ** 9n, end: BigInt(T0 + 60) * 10n ** 9n };
    const query = "{} | rate()";
    const answers = [
      await client.call("search", {}, metadata),
      await client.call("searchTags", {}, metadata),
      await client.call("searchTagsV2", {}, metadata),
      await client.call("searchTagValues", { tagName: "name" }, metadata),
      await client.call("searchTagValuesV2", { tagName: "name" }, metadata),
      await client.call("metricsQueryRange", { query, start, end }, metadata),
      await client.call("metricsQueryInstant", { query, start, end }, metadata),
    ];
    expect(answers.map((answer) => [answer.code, answer.details])).toEqual(
      Array(7).fill([code, details]),
    );
  });
});

describe("a call that ends early", () => {
  let restore = () => {};
  afterEach(() => restore());

  /** The first read of the catalog never ends. */
  function hang(): { started: () => boolean; signal: () => AbortSignal | undefined } {
    let seen: AbortSignal | undefined;
    const { database } = store;
    const real = database.rows.bind(database);
    database.rows = (_sql, options) => {
      seen = options?.signal;
      return new Promise((_, reject) =>
        options?.signal?.addEventListener("abort", () => reject(options.signal?.reason)),
      );
    };
    restore = () => {
      database.rows = real;
    };
    return { started: () => seen !== undefined, signal: () => seen };
  }
  test("by the client's cancel frees the query", async () => {
    const { client, observed } = await serve();
    const query = hang();
    const call = client.open("search", { Query: "{ duration > 0ns }" });
    call.on("error", () => {});
    call.resume();
    await eventually(query.started);
    call.cancel();
    await eventually(() => query.signal()?.aborted === true);
    await eventually(() => observed.length === 1);
    expect(observed).toEqual([["/tempopb.StreamingQuerier/Search", 1]]);
  });

  test("by its deadline is told DeadlineExceeded", async () => {
    const { client } = await serve();
    const query = hang();
    const answer = await client.call("search", { Query: "{ duration > 0ns }" }, [], {
      deadline: Date.now() + 200,
    });
    expect(answer.code).toBe(4);
    await eventually(() => query.signal()?.aborted === true);
  });
});

describe("other protocols", () => {
  const transports: [string, (baseUrl: string) => Transport][] = [
    ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
    [
      "gRPC-Web over HTTP/1.1",
      (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    ],
    ["gRPC-Web over HTTP/2", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
    ["Connect over HTTP/1.1", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
    ["Connect over HTTP/2", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })],
    [
      "Connect in JSON",
      (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
    ],
  ];
  test.each(transports)("%s", async (_, transport) => {
    const { port } = await serve();
    const client = createClient(StreamingQuerier, transport(`http://127.0.0.1:${port}`));
    let traces = 0;
    for await (const message of client.search({ Query: "{}", Limit: 7 })) {
      expect(message.metrics).toBeDefined();
      traces = message.traces.length;
    }
    expect(traces).toBe(7);
    const refused = async () => {
      for await (const _ of client.search({ Query: "{ oops" })) expect.fail("no message expected");
    };
    await expect(refused()).rejects.toMatchObject({
      code: 3,
      rawMessage: expect.stringMatching(/^invalid TraceQL query: parse error/),
    });
  });
});
