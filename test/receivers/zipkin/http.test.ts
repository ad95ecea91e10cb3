import { beforeEach, describe, expect, test } from "vitest";
import { PintailError } from "../../../src/errors.ts";
import { BodyEncoding, BodyFormat, RefusedError } from "../../../src/ingest/ingest.ts";
import { zipkinRoutes } from "../../../src/receivers/zipkin/http.ts";
import type { ZipkinReceiverSettings } from "../../../src/receivers/zipkin/settings.ts";
import { FakeIngest, otlpDeps } from "../otlp/support.ts";

const SETTINGS: ZipkinReceiverSettings = {
  endpoint: "localhost:9411",
  tls: undefined,
  cors: undefined,
  maxRequestBodyBytes: 1000,
  parseStringTags: false,
};
const V1 = "/api/v1/spans";
const V2 = "/api/v2/spans";
const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/x-protobuf";
const THRIFT_TYPE = "application/x-thrift";
const BODY = new Uint8Array([1, 2, 3]);

let ingest: FakeIngest;
let deps: ReturnType<typeof otlpDeps>;
beforeEach(() => {
  ingest = new FakeIngest();
  deps = otlpDeps();
});

function send(
  path: string,
  headers: Record<string, string> = {},
  body: Uint8Array<ArrayBuffer> | string = BODY,
  { settings = SETTINGS, method = "POST" } = {},
) {
  return zipkinRoutes(ingest, settings, deps).request(path, { method, headers, body });
}

describe("the format", () => {
  test.each([
    [V2, JSON_TYPE, BodyFormat.zipkinV2Json, "http_v2_json"],
    [V2, undefined, BodyFormat.zipkinV2Json, "http_v2_json"],
    [V2, "text/plain", BodyFormat.zipkinV2Json, "http_v2_json"],
    [V2, THRIFT_TYPE, BodyFormat.zipkinV2Json, "http_v2_json"],
    [V2, PROTOBUF_TYPE, BodyFormat.zipkinV2Protobuf, "http_v2_proto"],
    [V2, `${PROTOBUF_TYPE}; charset=x`, BodyFormat.zipkinV2Protobuf, "http_v2_proto"],
    ["/", JSON_TYPE, BodyFormat.zipkinV2Json, "http_v2_json"],
    ["/any/thing", PROTOBUF_TYPE, BodyFormat.zipkinV2Protobuf, "http_v2_proto"],
    [V1, JSON_TYPE, BodyFormat.zipkinV1Json, "http_v1_json"],
    [V1, PROTOBUF_TYPE, BodyFormat.zipkinV1Json, "http_v1_json"],
    [V1, THRIFT_TYPE, BodyFormat.zipkinV1Thrift, "http_v1_thrift"],
    [`/x${V1}/y`, `${THRIFT_TYPE};a=b`, BodyFormat.zipkinV1Thrift, "http_v1_thrift"],
  ])("of %s with %s is %i (%s)", async (path, type, format, transport) => {
    const response = await send(path, type === undefined ? {} : { "content-type": type });
    expect([response.status, await response.text()]).toEqual([202, ""]);
    expect(ingest.pushes).toEqual([
      {
        tenant: "single-tenant",
        format,
        encoding: BodyEncoding.identity,
        body: BODY,
        maxDecodedBytes: 1000,
        skipMetrics: false,
      },
    ]);
    expect(deps.metrics.render()).toContain(
      `tempo_receiver_accepted_spans{receiver="zipkin/zipkin_receiver",transport="${transport}"} 2`,
    );
  });

  test.each([
    [V2, JSON_TYPE, BodyFormat.zipkinV2JsonTyped],
    [V2, PROTOBUF_TYPE, BodyFormat.zipkinV2ProtobufTyped],
    [V1, JSON_TYPE, BodyFormat.zipkinV1JsonTyped],
    [V1, THRIFT_TYPE, BodyFormat.zipkinV1Thrift],
  ])("says of %s with %s that tags are parsed", async (path, type, format) => {
    const settings = { ...SETTINGS, parseStringTags: true };
    await send(path, { "content-type": type }, BODY, { settings });
    expect(ingest.pushes[0]?.format).toBe(format);
  });

  test("does not depend on the method", async () => {
    expect((await send(V2, {}, BODY, { method: "PUT" })).status).toBe(202);
  });
});

test.each([
  ["gzip", BODY, BodyEncoding.gzip],
  ["zstd", BODY, BodyEncoding.zstd],
  ["zlib", BODY, BodyEncoding.zlib],
  ["deflate", BODY, BodyEncoding.zlib],
  ["snappy", BODY, BodyEncoding.snappy],
  [
    "snappy",
    Uint8Array.from([0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59]),
    BodyEncoding.snappyFramed,
  ],
  ["lz4", BODY, BodyEncoding.lz4],
])("a body in %s is passed on compressed", async (name, body, encoding) => {
  await send(V2, { "content-encoding": name }, body);
  expect(ingest.pushes[0]).toMatchObject({ encoding, body });
});

describe("what is wrong with the bytes gets 400 and a text", () => {
  const refused = { reason: "x", spanCount: 3, protobufBytes: 0 };
  test.each([
    ["an unknown encoding", { "content-encoding": "br" }, BODY, "unsupported Content-Encoding: br"],
    ["two encodings", { "content-encoding": "gzip, gzip" }, BODY, "unsupported Content-Encoding"],
    ["no byte", {}, "", "the body is empty"],
    ["too many bytes", {}, new Uint8Array(1001), "request body exceeds 1000 bytes"],
  ])("%s", async (_, headers: Record<string, string>, body, text) => {
    const response = await send(V2, headers, body);
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await response.text()).toContain(text);
    expect(ingest.pushes).toEqual([]);
  });

  test.each([
    new RefusedError("malformed", "not JSON", refused),
    new RefusedError("too_large", "too many bytes", refused),
  ])("%s", async (failure) => {
    ingest.failure = failure;
    const response = await send(V2);
    expect([response.status, await response.text()]).toEqual([400, failure.message]);
    expect(deps.metrics.render()).toContain(
      'tempo_receiver_refused_spans{receiver="zipkin/zipkin_receiver",transport="http_v2_json"} 3',
    );
  });

  test("a GET", async () => {
    const app = zipkinRoutes(ingest, SETTINGS, deps);
    expect((await app.request(V2)).status).toBe(400);
    expect((await app.request("/", { method: "OPTIONS" })).status).toBe(400);
  });
});

test.each([
  new PintailError("invalid", "bad id"),
  new PintailError("limited", "rate", { retryAfterMs: 5000 }),
  new PintailError("unavailable", "disk full", { retryAfterMs: 5000 }),
  new PintailError("unavailable", "stopping"),
  new Error("secret"),
])("%s gets 500 and nothing else", async (failure) => {
  ingest.failure = failure;
  const response = await send(V2);
  expect([response.status, await response.text()]).toEqual([500, '"Internal Server Error"']);
  expect(response.headers.get("retry-after")).toBeNull();
  expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
});

test("no byte of protobuf is a list of no spans", async () => {
  const response = await send(V2, { "content-type": PROTOBUF_TYPE }, "");
  expect([response.status, ingest.pushes.length]).toEqual([202, 0]);
  expect((await send(V1, { "content-type": THRIFT_TYPE }, "")).status).toBe(400);
});

describe("with multi-tenancy", () => {
  beforeEach(() => {
    deps = otlpDeps(true);
  });

  test("the header names the tenant", async () => {
    expect((await send(V2, { "X-Scope-OrgID": "acme" })).status).toBe(202);
    expect(ingest.pushes[0]?.tenant).toBe("acme");
  });

  test.each<[string, Record<string, string>]>([
    ["no tenant", {}],
    ["an empty one", { "X-Scope-OrgID": "" }],
    ["a bad one", { "X-Scope-OrgID": "a/b" }],
    ["two", { "X-Scope-OrgID": "a|b" }],
  ])("%s gets 500, without spans too", async (_, headers) => {
    for (const [type, body] of [
      [JSON_TYPE, "[]"],
      [PROTOBUF_TYPE, ""],
    ] as const) {
      const response = await send(V2, { ...headers, "content-type": type }, body);
      expect([response.status, await response.text()]).toEqual([500, '"Internal Server Error"']);
    }
    expect(ingest.pushes).toEqual([]);
  });
});

test("a browser's preflight is answered when origins are allowed", async () => {
  const settings = {
    ...SETTINGS,
    cors: { allowedOrigins: ["https://app"], allowedHeaders: [], maxAgeSeconds: 0 },
  };
  const origin = { origin: "https://app" };
  const preflight = await zipkinRoutes(ingest, settings, deps).request(V2, {
    method: "OPTIONS",
    headers: { ...origin, "access-control-request-method": "POST" },
  });
  expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([
    204,
    "https://app",
  ]);
  const response = await send(V2, origin, BODY, { settings });
  expect(response.headers.get("access-control-allow-origin")).toBe("https://app");
});

test("a sender may ask for no metrics of its spans", async () => {
  await send(V2, { "content-type": JSON_TYPE, "no-generate-metrics": "" });
  expect(ingest.pushes[0]?.skipMetrics).toBe(true);
});
