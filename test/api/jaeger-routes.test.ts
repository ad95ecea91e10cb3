import type { Hono } from "hono";
import { Hono as App } from "hono";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { JAEGER_PATHS } from "../../src/api/http/jaeger-paths.ts";
import { jaegerRoutes } from "../../src/api/http/jaeger-routes.ts";
import { SpanBatch } from "../../src/model/span-batch.ts";
import { JaegerProtobufDecoder } from "../../src/receivers/jaeger/decode-protobuf.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { SegmentStore, TEST_LIMITS } from "../query/segment-store.ts";
import {
  aJaegerSpan,
  encodePostSpans,
  type JaegerSpan,
  protobufSpan,
} from "../support/jaeger-builder.ts";
import { aRequest, aSpan, attributes, hex } from "../support/otlp-builder.ts";
import { apiOf } from "./api-fixture.ts";

const PARTS = {
  log: silentLogger,
  tenantRules: { multitenancyEnabled: false, multiTenantQueriesEnabled: false },
};
const NOW_MS = Date.parse("2026-01-01T00:10:00Z");
const MICROS = BigInt(Date.parse("2026-01-01T00:00:00Z")) * 1000n;
const FIRST = "0af7651916cd43dd8448eb211c80319c";
/** Of 64 bits. */
const SECOND = "8448eb211c80319d";
const OTLP = "0af7651916cd43dd8448eb211c80319e";
const OLD = "0af7651916cd43dd8448eb211c80319f";

const ROOT: JaegerSpan = aJaegerSpan({
  traceId: FIRST,
  spanId: "0000000000000001",
  name: "GET /",
  flags: 0,
  startMicros: MICROS,
  durationMicros: 5000n,
  tags: [
    ["http.path", "/ä"],
    ["http.status_code", 200n],
    ["big", 2n ** 62n + 1n],
    ["ratio", 0.5],
    ["cached", true],
    ["blob", Uint8Array.of(1, 2, 3)],
    ["span.kind", "server"],
    ["otel.status_code", "OK"],
    ["w3c.tracestate", "a=b"],
    ["otel.scope.name", "lib"],
    ["otel.scope.version", "1"],
  ],
  logs: [
    {
      micros: MICROS + 200n,
      fields: [
        ["event", "retry"],
        ["attempt", 2n],
      ],
    },
    { micros: MICROS + 300n, fields: [["message", "no name"]] },
  ],
});
const CALL: JaegerSpan = aJaegerSpan({
  traceId: FIRST,
  spanId: "0000000000000002",
  name: "list",
  flags: 0,
  startMicros: MICROS + 100n,
  durationMicros: 3000n,
  tags: [
    ["host", "h 1"],
    ["span.kind", "server"],
    ["otel.status_code", "ERROR"],
    ["error", true],
    ["otel.status_description", "boom"],
  ],
  references: [
    { type: "childOf", traceId: FIRST, spanId: "0000000000000001" },
    { type: "followsFrom", traceId: OLD, spanId: "00000000000000ff" },
    { type: "childOf", traceId: OLD, spanId: "00000000000000fe" },
  ],
});
const SHORT: JaegerSpan = aJaegerSpan({
  traceId: SECOND.padStart(32, "0"),
  spanId: "0000000000000011",
  name: "work",
  flags: 0,
  startMicros: MICROS + 1_000_000n,
  durationMicros: 900n,
  tags: [["queue", "a"]],
});

let store: SegmentStore;
let app: Hono;

beforeAll(async () => {
  store = await SegmentStore.open();
  store.nowMs = NOW_MS;
  const add = async (service: string, spans: JaegerSpan[]) => {
    const batch = new SpanBatch(7);
    const decoder = new JaegerProtobufDecoder(batch, { maxAttributeBytes: 0 });
    const tags = [["zone", service === "frontend" ? "eu" : "us"]] as const;
    decoder.decode(encodePostSpans(spans.map(protobufSpan), { service, tags }));
    await store.addBatch(batch);
  };
  // The parts of a trace may lie in several segments.
  await add("frontend", [ROOT]);
  await add("cart", [CALL, SHORT]);
  const twoDays = 2n * 86_400n * 1_000_000n;
  await add("old", [aJaegerSpan({ traceId: OLD, startMicros: MICROS - twoDays })]);
  const nanos = MICROS * 1000n + 5_000_000_000n;
  await store.add([
    aRequest(
      [
        aSpan({
          traceId: hex(OTLP),
          name: "typed",
          kind: 3,
          flags: 0x101,
          startTimeUnixNano: nanos,
          endTimeUnixNano: nanos + 1999n,
          status: { code: 2, message: "why" },
          attributes: [
            ...attributes({ code: 500n, ok: true, ratio: 0.5, error: "yes", nan: Number.NaN }),
            {
              key: "list",
              value: {
                value: {
                  case: "arrayValue",
                  value: {
                    values: [
                      { value: { case: "stringValue", value: "x" } },
                      { value: { case: "intValue", value: 2n ** 62n } },
                    ],
                  },
                },
              },
            },
          ],
        }),
      ],
      { service: "otlp/a b", scope: "" },
    ),
  ]);
  app = apiOf(store);
});
afterAll(() => store.close());
afterEach(() => {
  store.limits = TEST_LIMITS;
});

type Params = Record<string, string> | readonly [string, string][];

async function get(path: string, params: Params = {}) {
  const query = new URLSearchParams(params as Record<string, string>);
  const response = await app.request(`/jaeger/api${path}?${query}`);
  const text = await response.text();
  expect(response.headers.get("content-type")).toBe("application/json");
  return { status: response.status, text, body: JSON.parse(text) };
}

async function jsonOf(response: Response) {
  return JSON.parse(await response.text());
}

async function ok(path: string, params: Params = {}) {
  const { status, text, body } = await get(path, params);
  if (status !== 200) throw new Error(`${status} ${text}`);
  return body;
}

const idsOf = async (params: Params): Promise<string[]> =>
  (await ok("/traces", params)).data.map((trace: { traceID: string }) => trace.traceID);

test("services and operations of the last two days are listed", async () => {
  const services = ["cart", "frontend", "otlp/a b"];
  expect(await ok("/services")).toEqual({
    data: services,
    total: 3,
    limit: 0,
    offset: 0,
    errors: null,
  });
  expect((await ok("/services/cart/operations")).data).toEqual(["list", "work"]);
  for (const name of ["otlp%2Fa%20b", "otlp/a%20b"])
    expect((await ok(`/services/${name}/operations`)).data).toEqual(["typed"]);
  expect((await ok(`/services/${encodeURIComponent("x` || true")}/operations`)).data).toEqual([]);
  expect((await get("/services/%zz/operations")).status).toBe(400);
});

test("operations are listed with their kinds", async () => {
  expect(await ok("/operations", { service: "cart" })).toEqual({
    data: [
      { name: "work", spanKind: "" },
      { name: "list", spanKind: "server" },
    ],
    total: 2,
    limit: 0,
    offset: 0,
    errors: null,
  });
  const list = [{ name: "list", spanKind: "server" }];
  expect((await ok("/operations", { service: "cart", spanKind: "server" })).data).toEqual(list);
  expect((await ok("/operations", { service: "cart", spanKind: "client" })).data).toEqual([]);
  expect((await ok("/operations", { service: "cart", spanKind: "odd" })).data).toEqual([]);
  const { status, body } = await get("/operations");
  const errors = [{ code: 400, msg: "parameter 'service' is required" }];
  expect([status, body]).toEqual([400, { data: null, total: 0, limit: 0, offset: 0, errors }]);
});

test("a trace comes back as it was sent", async () => {
  const { data, ...rest } = await ok(`/traces/${FIRST}`);
  expect(rest).toEqual({ total: 0, limit: 0, offset: 0, errors: null });
  const [trace] = data;
  expect({ ...trace, spans: trace.spans.length }).toEqual({
    traceID: FIRST,
    spans: 2,
    processes: {
      p1: { serviceName: "frontend", tags: [{ key: "zone", type: "string", value: "eu" }] },
      p2: { serviceName: "cart", tags: [{ key: "zone", type: "string", value: "us" }] },
    },
    warnings: null,
  });
  const [root, call] = trace.spans;
  const sorted = (tags: { key: string }[]) => tags.sort((a, b) => (a.key < b.key ? -1 : 1));
  expect({ ...root, tags: sorted(root.tags) }).toEqual({
    traceID: FIRST,
    spanID: "0000000000000001",
    operationName: "GET /",
    references: [],
    startTime: Number(MICROS),
    duration: 5000,
    tags: [
      { key: "big", type: "int64", value: "4611686018427387905" },
      { key: "blob", type: "binary", value: "AQID" },
      { key: "cached", type: "bool", value: true },
      { key: "http.path", type: "string", value: "/ä" },
      { key: "http.status_code", type: "int64", value: 200 },
      { key: "otel.scope.name", type: "string", value: "lib" },
      { key: "otel.scope.version", type: "string", value: "1" },
      { key: "otel.status_code", type: "string", value: "OK" },
      { key: "ratio", type: "float64", value: 0.5 },
      { key: "span.kind", type: "string", value: "server" },
      { key: "w3c.tracestate", type: "string", value: "a=b" },
    ],
    logs: [
      {
        timestamp: Number(MICROS) + 200,
        fields: [
          { key: "event", type: "string", value: "retry" },
          { key: "attempt", type: "int64", value: 2 },
        ],
      },
      {
        timestamp: Number(MICROS) + 300,
        fields: [{ key: "message", type: "string", value: "no name" }],
      },
    ],
    processID: "p1",
    warnings: null,
  });
  expect({ ...call, tags: sorted(call.tags) }).toMatchObject({
    processID: "p2",
    references: [
      { refType: "CHILD_OF", traceID: FIRST, spanID: "0000000000000001" },
      { refType: "FOLLOWS_FROM", traceID: OLD, spanID: "00000000000000ff" },
      { refType: "CHILD_OF", traceID: OLD, spanID: "00000000000000fe" },
    ],
    tags: [
      { key: "error", type: "bool", value: true },
      { key: "host", type: "string", value: "h 1" },
      { key: "otel.status_code", type: "string", value: "ERROR" },
      { key: "otel.status_description", type: "string", value: "boom" },
      { key: "span.kind", type: "string", value: "server" },
    ],
  });
});

test("spans that came as OTLP have tags of Jaeger's types", async () => {
  const [{ spans, processes }] = (await ok(`/traces/${OTLP}`, { raw: "true" })).data;
  expect(processes).toEqual({ p1: { serviceName: "otlp/a b", tags: [] } });
  expect(spans).toEqual([
    {
      traceID: OTLP,
      spanID: "b7ad6b7169203331",
      flags: 1,
      operationName: "typed",
      references: [],
      startTime: Number(MICROS) + 5_000_000,
      duration: 1,
      tags: expect.arrayContaining([
        { key: "code", type: "int64", value: 500 },
        { key: "nan", type: "float64", value: "NaN" },
        { key: "list", type: "string", value: '["x",4611686018427387904]' },
        // An attribute of the name stays; the tag that the UI looks for is there too.
        { key: "error", type: "string", value: "yes" },
        { key: "error", type: "bool", value: true },
        { key: "span.kind", type: "string", value: "client" },
      ]),
      logs: [],
      processID: "p1",
      warnings: null,
    },
  ]);
});

test("an unknown trace is 404, a bad id 400, in Jaeger's form", async () => {
  const envelope = { data: null, total: 0, limit: 0, offset: 0 };
  expect((await get("/traces/1234")).body).toEqual({
    ...envelope,
    errors: [{ code: 404, msg: "trace not found" }],
  });
  expect((await get("/traces/1234")).status).toBe(404);
  expect((await get("/traces/xyz")).status).toBe(400);
});

test("ids of 64 bits are short, and found as such", async () => {
  const [trace] = (await ok(`/traces/${SECOND}`)).data;
  expect(trace.traceID).toBe(SECOND);
  expect(trace.spans[0].traceID).toBe(SECOND);
});

test("answers may be pretty", async () => {
  const plain = await get(`/traces/${FIRST}`);
  const pretty = await get(`/traces/${FIRST}`, { prettyPrint: "" });
  expect(pretty.body).toEqual(plain.body);
  expect(pretty.text.split("\n").length).toBeGreaterThan(100);
  expect((await get(`/traces/${FIRST}`, { prettyPrint: "false" })).text).toBe(plain.text);
});

test("a trace beyond the limit comes in part, with a warning", async () => {
  store.limits = { ...TEST_LIMITS, maxBytesPerTrace: 10 };
  const [trace] = (await ok(`/traces/${FIRST}`)).data;
  expect(trace.warnings).toEqual([expect.stringContaining("max bytes: 10")]);
});

test("traces are given by their ids, those unknown named as errors", async () => {
  const { data, errors } = await ok("/traces", [
    ["traceID", FIRST],
    ["traceID", "1234"],
    ["traceID", SECOND],
  ]);
  expect(data.map(({ traceID }: { traceID: string }) => traceID)).toEqual([FIRST, SECOND]);
  expect(errors).toEqual([{ msg: "trace not found", traceID: "0000000000001234" }]);
  expect((await get("/traces", { traceID: "x" })).status).toBe(400);
});

describe("traces", () => {
  const all = (...tags: [string, string][]): [string, string][] => [["service", "cart"], ...tags];

  test.each<[Params, string[]]>([
    [{ service: "cart" }, [SECOND, FIRST]],
    [{ service: "cart", limit: "1" }, [SECOND]],
    [{ service: "none" }, []],
    [{ service: "cart", operation: "list" }, [FIRST]],
    [{ service: "frontend", operation: "list" }, []],
    [{ service: "cart", tags: '{"error":"true"}' }, [FIRST]],
    [{ service: "otlp/a b", tags: '{"error":true,"code":500}' }, [OTLP]],
    [{ service: "otlp/a b", tags: "error" }, [OTLP]],
    [{ service: "otlp/a b", tags: "code=500 ok=true ratio=0.5" }, [OTLP]],
    [{ service: "otlp/a b", tags: "code=501" }, []],
    [{ service: "cart", tags: 'host="h 1" zone=us' }, [FIRST]],
    [{ service: "cart", tags: "zone=eu" }, []],
    [{ service: "cart", tags: "span.kind=server" }, [FIRST]],
    [{ service: "cart", tags: "otel.status_code=ERROR" }, [FIRST]],
    [{ service: "cart", tags: "otel.status_description=boom" }, [FIRST]],
    [{ service: "frontend", tags: "event=retry attempt=2" }, [FIRST]],
    [{ service: "frontend", tags: "otel.scope.name=lib otel.library.version=1" }, [FIRST]],
    [{ service: "frontend", tags: 'message="no name"' }, [FIRST]],
    [{ service: "frontend", tags: "otel.status_code=OK" }, [FIRST]],
    [{ service: "frontend", tags: "big=4611686018427387905" }, [FIRST]],
    [{ service: "frontend", tags: "big=4611686018427387904" }, []],
    [{ service: "frontend", tags: "big=-9223372036854775808" }, []],
    [{ service: "frontend", tags: "big=9999999999999999999" }, []],
    [{ service: "frontend", tags: '{"http.path":"/ä"}' }, [FIRST]],
    [{ service: "frontend", tags: '{"http.path":"` } || { true"}' }, []],
    [{ service: "frontend", tags: '{"a\\"b\\\\ = 1 } || { true":"x"}' }, []],
    [{ service: "frontend", tags: '{"__proto__":"x"}' }, []],
    [{ service: 'x" } || { true' }, []],
    [all(["tag", "host:h 1"], ["tag", "zone:us"]), [FIRST]],
    [all(["tags", "zone=us"], ["tags", '{"queue":"a"}']), [SECOND]],
    [{ service: "cart", minDuration: "1ms" }, [FIRST]],
    [{ service: "cart", maxDuration: "1ms" }, [SECOND]],
    [{ service: "cart", minDuration: "3ms", maxDuration: "3000us" }, [FIRST]],
    [{ service: "cart", minDuration: "0", maxDuration: "0s" }, [SECOND, FIRST]],
    [{ service: "cart", start: String(MICROS + 500_000n) }, [SECOND]],
    [{ service: "cart", end: String(MICROS + 500_000n) }, [FIRST]],
    [{ service: "cart", end: "1000000" }, []],
    [{ service: "cart", lookback: "1m" }, []],
    [{ service: "old" }, []],
    [{ service: "old", lookback: "3d" }, [OLD]],
    [{ service: "old", lookback: "custom", start: String(MICROS - 200_000_000_000n) }, [OLD]],
  ])("%j are %j", async (params, expected) => {
    expect(await idsOf(params)).toEqual(expected);
  });

  test.each<[Params, string]>([
    [{}, "parameter 'service' is required"],
    [{ service: "a", limit: "0" }, "limit is not between"],
    [{ service: "a", limit: "1501" }, "limit is not between"],
    [{ service: "a", limit: "-1" }, "unable to parse param 'limit'"],
    [{ service: "a", start: "x" }, "unable to parse param 'start'"],
    [{ service: "a", end: "9999999999999999999" }, "unable to parse param 'end'"],
    [{ service: "a", start: "2000000", end: "1000000" }, "start is after end"],
    [{ service: "a", lookback: "soon" }, "unable to parse param 'lookback'"],
    [{ service: "a", lookback: "9w" }, "exceeds"],
    [{ service: "a", minDuration: "5" }, "unable to parse param 'minDuration'"],
    [{ service: "a", maxDuration: "-1s" }, "unable to parse param 'maxDuration'"],
    [{ service: "a", minDuration: "2s", maxDuration: "1s" }, "'maxDuration' should be greater"],
    [{ service: "a", tags: "{" }, "malformed 'tags' parameter"],
    [{ service: "a", tags: '{"a":{}}' }, "malformed 'tags' parameter"],
    [{ service: "a", tags: '{"":"x"}' }, "a tag has no key"],
    [{ service: "a", tags: "=x" }, "malformed 'tags' parameter"],
    [{ service: "a", tags: 'a="b' }, "malformed 'tags' parameter"],
    [{ service: "a", tags: 'a="b"c' }, "malformed 'tags' parameter"],
    [{ service: "a", tag: "x" }, "malformed 'tag' parameter"],
    [{ service: "a".repeat(200_000) }, "exceeds the configured maximum"],
    [Array.from({ length: 1001 }, (): [string, string] => ["traceID", "1"]), "more than 1000"],
    [{ service: "a", tags: `${"[".repeat(10_000)}` }, ""],
    [{ service: "a", tags: `{"a":${"[".repeat(10_000)}` }, "malformed 'tags' parameter"],
    [{ service: "a", tags: Array.from({ length: 900 }, (_, i) => `k${i}=1`).join(" ") }, ""],
  ])("%.60j is 400 or an empty answer", async (params, message) => {
    const { status, body } = await get("/traces", params);
    if (message === "") expect([200, 400]).toContain(status);
    else expect([status, body.errors[0].msg]).toEqual([400, expect.stringContaining(message)]);
  });

  test("without a limit are no more than the operator allows", async () => {
    store.limits = { ...TEST_LIMITS, maxSearchLimit: 1 };
    expect(await idsOf({ service: "cart" })).toEqual([SECOND]);
    expect((await get("/traces", { service: "cart", limit: "2" })).status).toBe(400);
  });
});

test("dependencies are those that spans show, of all services or of one", async () => {
  const link = { parent: "frontend", child: "cart", callCount: 1 };
  const envelope = { total: 0, limit: 0, offset: 0, errors: null };
  expect(await ok("/dependencies")).toEqual({ data: [link], ...envelope });
  const endTs = String(NOW_MS);
  expect((await ok("/dependencies", { endTs, lookback: "604800000" })).data).toEqual([link]);
  expect((await ok("/dependencies", { endTs, service: "cart" })).data).toEqual([link]);
  expect((await ok("/dependencies", { endTs, service: "old" })).data).toEqual([]);
  expect((await ok("/dependencies", { endTs, lookback: "1000" })).data).toEqual([]);
  expect((await get("/dependencies", { endTs: "x" })).status).toBe(400);
});

test.each(["/services", "/services/a/operations", "/traces", `/traces/${FIRST}`, "/dependencies"])(
  "%s needs a tenant where there are several",
  async (path) => {
    const several = apiOf(store, { multitenancyEnabled: true });
    const url = `/jaeger/api${path}?service=x`;
    const without = await several.request(url);
    expect([without.status, (await jsonOf(without)).errors[0]]).toEqual([
      401,
      { code: 401, msg: "no org id" },
    ]);
    const other = await several.request(url, { headers: { "x-scope-orgid": "other" } });
    expect([200, 404]).toContain(other.status);
    expect([[], null]).toContainEqual((await jsonOf(other)).data);
  },
);

test("all paths are known before what answers is loaded, each a route of its own", () => {
  const parts = { ...PARTS, engine: store.engine() };
  const paths = jaegerRoutes(parts, "/base").routes.map(({ path }) => path);
  expect(paths).toEqual(JAEGER_PATHS.map((path) => `/base${path}`));
});

test("the API stands wherever Tempo's is mounted, also below a prefix of both kinds", async () => {
  const mounted = new App().route("/outer", apiOf(store, { apiPrefix: "/inner" }));
  const response = await mounted.request("/outer/inner/jaeger/api/services");
  expect([response.status, (await jsonOf(response)).total]).toEqual([200, 3]);
});
