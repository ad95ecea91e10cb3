import { fromBinary } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import { RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { PintailError } from "../../../src/errors.ts";
import { BodyEncoding, BodyFormat } from "../../../src/ingest/ingest.ts";
import { otlpHttpRoutes } from "../../../src/receivers/otlp/http.ts";
import type { HttpReceiverSettings } from "../../../src/receivers/otlp/settings.ts";
import { FakeIngest, otlpDeps } from "./support.ts";

const SETTINGS: HttpReceiverSettings = {
  endpoint: "localhost:4318",
  tls: undefined,
  cors: undefined,
  maxRequestBodyBytes: 1000,
  tracesUrlPath: "/v1/traces",
};
const PROTOBUF = { "content-type": "application/x-protobuf" };
const JSON_TYPE = { "content-type": "application/json" };
const BODY = new Uint8Array([1, 2, 3]);

let ingest: FakeIngest;
let deps: ReturnType<typeof otlpDeps>;
beforeEach(() => {
  ingest = new FakeIngest();
  deps = otlpDeps();
});

function post(
  headers: Record<string, string>,
  body: Uint8Array<ArrayBuffer> | string = BODY,
  settings = SETTINGS,
  path = "/v1/traces",
) {
  return otlpHttpRoutes(ingest, settings, deps).request(path, { method: "POST", headers, body });
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer());
}

describe("an accepted request", () => {
  test("in protobuf is pushed as it came and answered in protobuf", async () => {
    const response = await post(PROTOBUF);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/x-protobuf");
    expect(await bytesOf(response)).toEqual(new Uint8Array([0x0a, 0x00]));
    expect(ingest.pushes).toEqual([
      {
        tenant: "single-tenant",
        format: BodyFormat.otlpProtobuf,
        encoding: BodyEncoding.identity,
        body: BODY,
        maxDecodedBytes: 1000,
        skipMetrics: false,
      },
    ]);
  });

  test("in JSON, with parameters in its type, is answered in bare JSON", async () => {
    const response = await post({ "content-type": "Application/JSON; charset=utf-8" }, "{}");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe('{"partialSuccess":{}}');
    expect(ingest.pushes[0]?.format).toBe(BodyFormat.otlpJson);
  });

  test("is counted", async () => {
    await post(PROTOBUF);
    const text = deps.metrics.render();
    expect(text).toContain(
      'tempo_receiver_accepted_spans{receiver="otlp/otlp_receiver",transport="http"} 2',
    );
    expect(text).toContain(
      'tempo_request_duration_seconds_count{method="POST",route="otlp_v1_traces",status_code="200",ws="false"} 1',
    );
  });

  test.each([
    ["gzip", BODY, BodyEncoding.gzip],
    ["deflate", BODY, BodyEncoding.zlib],
    ["snappy", BODY, BodyEncoding.snappy],
    [
      "snappy",
      Uint8Array.from([0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59]),
      BodyEncoding.snappyFramed,
    ],
    ["lz4", BODY, BodyEncoding.lz4],
  ])("with %s is passed on compressed", async (name, body, encoding) => {
    await post({ ...PROTOBUF, "content-encoding": name }, body);
    expect(ingest.pushes[0]).toMatchObject({ encoding, body });
  });

  test("without a byte needs no tenant", async () => {
    deps = otlpDeps(true);
    const response = await post(PROTOBUF, new Uint8Array(0));
    expect([response.status, ingest.pushes.length]).toEqual([200, 0]);
    expect((await post(JSON_TYPE, "")).status).toBe(400);
  });
});

describe("a request that is refused by its head", () => {
  test.each([
    ["GET", 405],
    ["PUT", 405],
    ["OPTIONS", 405],
  ])("with method %s gets %i, whatever its type", async (method, status) => {
    const app = otlpHttpRoutes(ingest, SETTINGS, deps);
    const response = await app.request("/v1/traces", { method });
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("text/plain");
    expect(await response.text()).toContain("POST");
  });

  test.each([["application/protobuf"], ["text/plain"], [undefined]])(
    "with type %s gets 415",
    async (type) => {
      const response = await post(type === undefined ? {} : { "content-type": type });
      expect(response.status).toBe(415);
      expect(await response.text()).toMatch(/application\/json.*application\/x-protobuf/);
      expect(ingest.pushes).toEqual([]);
    },
  );

  test.each(["/v1/traces/", "/v1/metrics", "/"])("on %s gets 404", async (path) => {
    expect((await post(PROTOBUF, BODY, SETTINGS, path)).status).toBe(404);
  });

  test("with an unknown encoding gets 400 with a Status in its own type", async () => {
    const response = await post({ ...PROTOBUF, "content-encoding": "br" });
    expect(response.status).toBe(400);
    expect(fromBinary(StatusSchema, await bytesOf(response))).toMatchObject({
      code: 3,
      message: "unsupported Content-Encoding: br",
    });
    const foreign = await post({ "content-type": "text/xml", "content-encoding": "br" });
    expect([foreign.status, await foreign.json()]).toMatchObject([500, { code: 13 }]);
  });

  test("with a body over the limit gets 413", async () => {
    const response = await post(JSON_TYPE, new Uint8Array(1001));
    expect(response.status).toBe(413);
    expect(response.headers.get("retry-after")).toBeNull();
    expect(await response.json()).toEqual({ code: 8, message: "request body exceeds 1000 bytes" });
  });
});

describe("a request that ingest refuses", () => {
  test.each([
    [new PintailError("malformed", "bad varint"), 400, 3],
    [new PintailError("invalid", "bad id"), 400, 3],
    [new PintailError("too_large", "too large"), 413, 8],
    [new PintailError("limited", "no hint"), 429, 8],
    [new PintailError("unavailable", "stopping"), 503, 14],
    [new Error("secret"), 503, 14],
  ])("with %s gets %i and code %i", async (failure, status, code) => {
    ingest.failure = failure;
    const response = await post(PROTOBUF);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/x-protobuf");
    expect(response.headers.get("retry-after")).toBeNull();
    const decoded = fromBinary(StatusSchema, await bytesOf(response));
    expect([decoded.code, decoded.details]).toEqual([code, []]);
    expect(decoded.message).not.toContain("secret");
  });

  test("over the rate is told when to come back", async () => {
    ingest.failure = new PintailError("limited", "rate", { retryAfterMs: 5000 });
    const json = await post(JSON_TYPE, "{}");
    expect([json.status, json.headers.get("retry-after")]).toEqual([429, "5"]);
    expect(await json.json()).toEqual({
      code: 8,
      message: "rate",
      details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "5s" }],
    });
    const protobuf = fromBinary(StatusSchema, await bytesOf(await post(PROTOBUF)));
    const [detail] = protobuf.details;
    expect(detail?.typeUrl).toBe("type.googleapis.com/google.rpc.RetryInfo");
    expect(fromBinary(RetryInfoSchema, detail?.value ?? BODY).retryDelay?.seconds).toBe(5n);
  });

  test("on a full disk gets 503 with a hint", async () => {
    ingest.failure = new PintailError("unavailable", "disk full", { retryAfterMs: 1500 });
    const response = await post(JSON_TYPE, "{}");
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await response.json()).toMatchObject({ details: [{ retryDelay: "1.500s" }] });
  });
});

describe("with multi-tenancy", () => {
  beforeEach(() => {
    deps = otlpDeps(true);
  });

  test("the header names the tenant", async () => {
    expect((await post({ ...PROTOBUF, "X-Scope-OrgID": "acme" })).status).toBe(200);
    expect(ingest.pushes[0]?.tenant).toBe("acme");
  });

  test("no tenant is 503 without a hint, a bad one 400", async () => {
    const none = await post(PROTOBUF);
    expect([none.status, none.headers.get("retry-after")]).toEqual([503, null]);
    expect(fromBinary(StatusSchema, await bytesOf(none))).toMatchObject({
      code: 14,
      message: "no org id",
    });
    expect((await post({ ...PROTOBUF, "X-Scope-OrgID": "a/b" })).status).toBe(400);
    expect((await post({ ...PROTOBUF, "X-Scope-OrgID": "a|b" })).status).toBe(400);
  });
});

test("a browser's preflight is answered when origins are allowed", async () => {
  const cors = { allowedOrigins: ["https://app"], allowedHeaders: [], maxAgeSeconds: 0 };
  const app = otlpHttpRoutes(ingest, { ...SETTINGS, cors }, deps);
  const response = await app.request("/v1/traces", {
    method: "OPTIONS",
    headers: { origin: "https://app", "access-control-request-method": "POST" },
  });
  expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([
    204,
    "https://app",
  ]);
});

test("a sender may ask for no metrics of its spans", async () => {
  await post({ ...PROTOBUF, "no-generate-metrics": "" });
  expect(ingest.pushes[0]?.skipMetrics).toBe(true);
});
