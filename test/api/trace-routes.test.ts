import { gunzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import type { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TracesDataSchema } from "../../gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import { PartialStatus, TraceByIDResponseSchema } from "../../gen/tempopb/tempo_pb.ts";
import { SegmentStore, TEST_LIMITS } from "../query/segment-store.ts";
import { aSpan, attributes, hex } from "../support/otlp-builder.ts";
import { apiOf } from "./api-fixture.ts";

const ID = "5c1f0a7be2d94388a6b0c3d4e5f60718";
const ZEROS = "000000000000000000000000000000ab";
const LONG = "000000000000000000000000000000ad";
const BARE = "000000000000000000000000000000ac";

let store: SegmentStore;
let app: Hono;
beforeAll(async () => {
  store = await SegmentStore.open();
  await store.add([
    {
      resourceSpans: [
        {
          resource: { attributes: attributes({ "service.name": "checkout" }) },
          scopeSpans: [
            {
              scope: { name: "demo-lib", version: "1.2.0" },
              spans: [
                {
                  traceId: hex(ID),
                  spanId: hex("9a3b5c7d1e2f4051"),
                  name: "POST /pay",
                  kind: 2,
                  startTimeUnixNano: 1_716_200_000_000_000_000n,
                  endTimeUnixNano: 1_716_200_000_125_000_000n,
                  attributes: attributes({ "http.response.status_code": 200n }),
                },
                {
                  traceId: hex(ID),
                  spanId: hex("0b1c2d3e4f506172"),
                  parentSpanId: hex("9a3b5c7d1e2f4051"),
                  name: "charge",
                  kind: 3,
                  startTimeUnixNano: 1_716_200_000_010_000_000n,
                  endTimeUnixNano: 1_716_200_000_090_000_000n,
                  events: [{ timeUnixNano: 1_716_200_000_020_000_000n, name: "retry" }],
                  status: { code: 2, message: "card declined" },
                },
              ],
            },
          ],
        },
        { scopeSpans: [{ spans: [aSpan({ traceId: hex(ZEROS), name: "a<b>&c" })] }] },
        { scopeSpans: [{ spans: [aSpan({ traceId: hex(LONG), name: "x".repeat(2000) })] }] },
        { scopeSpans: [{ spans: [{ traceId: hex(BARE), spanId: hex("01".repeat(8)) }] }] },
      ],
    },
  ]);
  app = apiOf(store);
});
afterAll(async () => {
  await store.close();
});
beforeEach(() => {
  store.limits = TEST_LIMITS;
});

const get = (path: string, headers: Record<string, string> = {}) => app.request(path, { headers });
/** Untyped: the tests are about its shape. */
const jsonOf = async (response: Response) => JSON.parse(await response.text());
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

test("v1 answers JSON with batches, ids in base64 and defaults left out", async () => {
  const response = await get(`/api/traces/${ID}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("vary")).toBe("Accept-Encoding");
  expect(await jsonOf(response)).toEqual({
    batches: [
      {
        resource: {
          attributes: [{ key: "service.name", value: { stringValue: "checkout" } }],
        },
        scopeSpans: [
          {
            scope: { name: "demo-lib", version: "1.2.0" },
            spans: [
              {
                traceId: "XB8Ke+LZQ4imsMPU5fYHGA==",
                spanId: "mjtcfR4vQFE=",
                name: "POST /pay",
                kind: "SPAN_KIND_SERVER",
                startTimeUnixNano: "1716200000000000000",
                endTimeUnixNano: "1716200000125000000",
                attributes: [{ key: "http.response.status_code", value: { intValue: "200" } }],
                status: {},
              },
              {
                traceId: "XB8Ke+LZQ4imsMPU5fYHGA==",
                spanId: "CxwtPk9QYXI=",
                parentSpanId: "mjtcfR4vQFE=",
                name: "charge",
                kind: "SPAN_KIND_CLIENT",
                startTimeUnixNano: "1716200000010000000",
                endTimeUnixNano: "1716200000090000000",
                events: [{ timeUnixNano: "1716200000020000000", name: "retry" }],
                status: { message: "card declined", code: "STATUS_CODE_ERROR" },
              },
            ],
          },
        ],
      },
    ],
  });
});

test("v2 answers JSON with the trace and metrics, and no status while complete", async () => {
  const body = await jsonOf(await get(`/api/v2/traces/${ID}`));
  expect(Object.keys(body)).toEqual(["trace", "metrics"]);
  expect(body.trace.resourceSpans[0].scopeSpans[0].spans).toHaveLength(2);
  expect(body.metrics.inspectedBytes).toMatch(/^[1-9][0-9]*$/);
});

test("protobuf of both versions decodes, with resource, scope and status always there", async () => {
  const accept = { accept: "application/protobuf" };
  const v1 = await get(`/api/traces/${BARE}`, accept);
  expect(v1.headers.get("content-type")).toBe("application/protobuf");
  const v2 = await get(`/api/v2/traces/${BARE}`, accept);
  const traces = [
    fromBinary(TracesDataSchema, await bytesOf(v1)),
    fromBinary(TraceByIDResponseSchema, await bytesOf(v2)).trace,
  ];
  for (const trace of traces) {
    const group = trace?.resourceSpans[0];
    expect(group?.resource?.attributes.map(({ key }) => key)).toEqual(["service.name"]);
    expect(group?.scopeSpans[0]?.scope).toBeDefined();
    expect(group?.scopeSpans[0]?.spans[0]?.status).toBeDefined();
    expect(group?.scopeSpans[0]?.spans[0]?.spanId).toEqual(hex("01".repeat(8)));
  }
});

test("the LLM form has hex ids and flat attributes", async () => {
  const accept = { accept: "application/vnd.grafana.llm" };
  const response = await get(`/api/v2/traces/${ID}`, accept);
  expect(response.headers.get("content-type")).toBe("application/vnd.grafana.llm+json");
  const body = await jsonOf(response);
  expect(body.trace.traceId).toBe(ID);
  expect(body.metrics.inspectedBytes).toBeGreaterThan(0);
  expect(body.trace.services).toEqual([
    {
      serviceName: "checkout",
      scopes: [
        {
          name: "demo-lib",
          version: "1.2.0",
          spans: [
            {
              spanId: "9a3b5c7d1e2f4051",
              name: "POST /pay",
              kind: "SPAN_KIND_SERVER",
              startTimeUnixNano: "1716200000000000000",
              endTimeUnixNano: "1716200000125000000",
              durationMs: 125,
              attributes: { "http.response.status_code": 200 },
              status: { code: "STATUS_CODE_UNSET", message: "" },
            },
            {
              spanId: "0b1c2d3e4f506172",
              name: "charge",
              parentSpanId: "9a3b5c7d1e2f4051",
              kind: "SPAN_KIND_CLIENT",
              startTimeUnixNano: "1716200000010000000",
              endTimeUnixNano: "1716200000090000000",
              durationMs: 80,
              events: [{ name: "retry", timeUnixNano: "1716200000020000000" }],
              status: { code: "STATUS_CODE_ERROR", message: "card declined" },
            },
          ],
        },
      ],
    },
  ]);
  const v1 = await get(`/api/traces/${ID}`, accept);
  expect(v1.headers.get("content-type")).toBe("application/vnd.grafana.llm");
  expect(Object.keys(await jsonOf(v1))).toEqual(["batches"]);
});

describe("an unknown trace", () => {
  const unknown = "ff".repeat(16);

  test("is 404 without body or type in v1, whatever the client accepts", async () => {
    for (const accept of ["application/json", "application/protobuf", "*/*"]) {
      const response = await get(`/api/traces/${unknown}`, { accept });
      expect(response.status).toBe(404);
      expect(response.headers.get("content-type")).toBeNull();
      expect(await response.text()).toBe("");
    }
  });

  test("is an empty trace that is present in v2", async () => {
    expect(await (await get(`/api/v2/traces/${unknown}`)).text()).toBe('{"trace":{},"metrics":{}}');
    const proto = await get(`/api/v2/traces/${unknown}`, { accept: "application/protobuf" });
    expect([...(await bytesOf(proto))]).toEqual([0x0a, 0, 0x12, 0]);
    const llm = await get(`/api/v2/traces/${unknown}`, { accept: "application/vnd.grafana.llm" });
    expect(await llm.text()).toBe("{}");
  });
});

test("a trace beyond its byte bound is 422 in v1 and partial in v2", async () => {
  store.limits = { ...TEST_LIMITS, maxBytesPerTrace: 10 };
  const v1 = await get(`/api/traces/${ID}`);
  expect(v1.status).toBe(422);
  expect(await v1.text()).toMatch(/trace exceeds max size \(max bytes: 10\)\n$/);
  const v2 = await jsonOf(await get(`/api/v2/traces/${ID}`));
  const message = "Trace exceeds maximum size of 10 bytes, a partial trace is returned";
  expect(v2).toMatchObject({ status: "PARTIAL", message });
  const proto = await get(`/api/v2/traces/${ID}`, { accept: "application/protobuf" });
  const decoded = fromBinary(TraceByIDResponseSchema, await bytesOf(proto));
  expect(decoded).toMatchObject({ status: PartialStatus.PARTIAL, message });
});

test.each([
  ["ab", 200],
  ["AB", 200],
  ["0ab", 200],
  [ZEROS, 200],
  [ZEROS.toUpperCase(), 200],
])("the id %s is padded with zeros", async (id, status) => {
  expect((await get(`/api/traces/${id}`)).status).toBe(status);
});

const TOO_LONG = "trace IDs can't be larger than 128 bits";
const start = "http parameter start must be before end.";
test.each([
  ["12x4", "trace IDs can only contain hex characters: invalid character 'x' at position 3"],
  ["%00", "trace IDs can only contain hex characters: invalid character '\0' at position 1"],
  ["%2e%2e%2f", "trace IDs can only contain hex characters: invalid character '.' at position 1"],
  ["';DROP", "trace IDs can only contain hex characters: invalid character ''' at position 1"],
  [
    "%F0%9F%92%A3",
    "trace IDs can only contain hex characters: invalid character '💣' at position 1",
  ],
  ["%ff", "the path holds a malformed escape"],
  ["1".repeat(33), TOO_LONG],
  ["1".repeat(60_000), TOO_LONG],
  ["ab?start=5&end=5", `${start} received start=5 end=5`],
  ["ab?start=5&end=4", `${start} received start=5 end=4`],
  ["ab?start=x", 'invalid start: strconv.ParseInt: parsing "x": invalid syntax'],
  [
    "ab?end=99999999999999999999",
    'invalid end: strconv.ParseInt: parsing "99999999999999999999": value out of range',
  ],
  ["ab?mode=foo", "invalid value for mode foo"],
  ["ab?blockStart=abc", "invalid value for blockstart: invalid UUID length: 3"],
])("the bad id or parameter of case %# is refused", async (path, message) => {
  for (const version of ["/api/traces/", "/api/v2/traces/"]) {
    const response = await get(version + path);
    expect([response.status, await response.text()]).toEqual([400, message]);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  }
});

test("JSON escapes what Go escapes", async () => {
  const body = await (await get(`/api/traces/ab`)).text();
  expect(body).toContain('"a\\u003cb\\u003e\\u0026c"');
});

test("large bodies are compressed when the client takes it, small ones never", async () => {
  const gzip = { "accept-encoding": "deflate, gzip" };
  const large = await get(`/api/v2/traces/${LONG}`, gzip);
  const small = await get("/api/v2/traces/ff", gzip);
  expect(large.headers.get("content-encoding")).toBe("gzip");
  expect(small.headers.get("content-encoding")).toBeNull();
  expect(JSON.parse(gunzipSync(await bytesOf(large)).toString()).trace).toBeDefined();
  const refused = await get(`/api/v2/traces/${LONG}`, { "accept-encoding": "gzip;q=0" });
  expect(refused.headers.get("content-encoding")).toBeNull();
});

test("tenants are told apart, and several may be read at once", async () => {
  const multi = apiOf(store, { multitenancyEnabled: true });
  const status = async (headers: Record<string, string>) => {
    const response = await multi.request(`/api/traces/${ID}`, { headers });
    return [response.status, await response.text()] as const;
  };
  expect(await status({})).toEqual([401, "no org id\n"]);
  expect((await status({ "x-scope-orgid": "other" }))[0]).toBe(404);
  expect((await status({ "x-scope-orgid": "other|single-tenant" }))[0]).toBe(200);
  expect(await status({ "x-scope-orgid": "a/b" })).toEqual([
    400,
    "tenant ID 'a/b' contains unsupported character '/'",
  ]);
});
