import { beforeEach, describe, expect, test } from "vitest";
import { PintailError } from "../../../src/errors.ts";
import { BodyEncoding, BodyFormat } from "../../../src/ingest/ingest.ts";
import { jaegerHttpRoutes } from "../../../src/receivers/jaeger/http.ts";
import type { HttpDoorSettings } from "../../../src/receivers/shared/settings.ts";
import { thriftBatch } from "../../support/jaeger-builder.ts";
import { encodeStruct } from "../../support/thrift-encoder.ts";
import { FakeIngest, otlpDeps } from "../otlp/support.ts";

const SETTINGS: HttpDoorSettings = {
  endpoint: "localhost:14268",
  tls: undefined,
  cors: undefined,
  maxRequestBodyBytes: 1000,
};
const THRIFT = { "content-type": "application/x-thrift" };
const BODY = new Uint8Array([1, 2, 3]);

let ingest: FakeIngest;
let deps: ReturnType<typeof otlpDeps>;
beforeEach(() => {
  ingest = new FakeIngest();
  deps = otlpDeps();
});

function post(
  headers: Record<string, string>,
  body: Uint8Array<ArrayBuffer> = BODY,
  path = "/api/traces",
) {
  return jaegerHttpRoutes(ingest, SETTINGS, deps).request(path, { method: "POST", headers, body });
}

describe("an accepted request", () => {
  test.each([
    "application/x-thrift",
    "application/vnd.apache.thrift.binary",
    "Application/X-Thrift; charset=utf-8",
  ])("of type %s is pushed as it came and answered without a body", async (type) => {
    const response = await post({ "content-type": type });
    expect([response.status, await response.text()]).toEqual([202, ""]);
    expect(ingest.pushes).toEqual([
      {
        tenant: "single-tenant",
        format: BodyFormat.jaegerThrift,
        encoding: BodyEncoding.identity,
        body: BODY,
        maxDecodedBytes: 1000,
        skipMetrics: false,
      },
    ]);
  });

  test("may name its format in the query, and is counted", async () => {
    const response = await post(THRIFT, BODY, "/api/traces?format=jaeger.thrift");
    expect(response.status).toBe(202);
    expect(deps.metrics.render()).toContain(
      'tempo_receiver_accepted_spans{receiver="jaeger/jaeger_receiver",transport="collector_http"} 2',
    );
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
  ])("with %s is passed on compressed", async (name, body, encoding) => {
    await post({ ...THRIFT, "content-encoding": name }, body);
    expect(ingest.pushes[0]).toMatchObject({ encoding, body });
  });
});

describe("a request that is refused by its head", () => {
  test.each(["GET", "PUT", "OPTIONS"])("with method %s gets 405", async (method) => {
    const response = await jaegerHttpRoutes(ingest, SETTINGS, deps).request("/api/traces", {
      method,
    });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });

  test.each(["/api/traces/", "/v1/traces", "/"])("on %s gets 404", async (path) => {
    expect((await post(THRIFT, BODY, path)).status).toBe(404);
  });

  test.each([
    [undefined, "cannot parse the content type"],
    ["a b", "cannot parse the content type"],
    ["application/json", "unsupported content type: application/json"],
    ["application/<x>", "cannot parse the content type"],
    ["application/x'", "unsupported content type: application/x&#39;"],
  ])("of type %s gets 400", async (type, message) => {
    const response = await post(type === undefined ? {} : { "content-type": type });
    expect([response.status, await response.text()]).toEqual([400, message]);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(ingest.pushes).toEqual([]);
  });

  test("with an unknown encoding gets 400", async () => {
    const response = await post({ ...THRIFT, "content-encoding": "br" });
    expect([response.status, await response.text()]).toEqual([
      400,
      "unsupported Content-Encoding: br",
    ]);
  });

  test("without a byte gets 400, with too many 500", async () => {
    expect((await post(THRIFT, new Uint8Array(0))).status).toBe(400);
    const response = await post(THRIFT, new Uint8Array(1001));
    expect([response.status, await response.text()]).toEqual([
      500,
      "Cannot submit Jaeger batch: request body exceeds 1000 bytes",
    ]);
  });
});

describe("a request that ingest refuses", () => {
  test("for its bytes gets 400 and what is wrong, safe to be shown", async () => {
    ingest.failure = new PintailError("malformed", "method <b> & co");
    const response = await post(THRIFT);
    expect([response.status, await response.text()]).toEqual([
      400,
      "cannot decode body: method &lt;b&gt; &amp; co",
    ]);
  });

  test.each([
    [new PintailError("invalid", "bad id")],
    [new PintailError("too_large", "too large")],
    [new PintailError("limited", "rate", { retryAfterMs: 5000 })],
    [new PintailError("unavailable", "disk full", { retryAfterMs: 1000 })],
    [new Error("secret")],
  ])("with %s gets 500 without a hint", async (failure) => {
    ingest.failure = failure;
    const response = await post(THRIFT);
    expect([response.status, response.headers.get("retry-after")]).toEqual([500, null]);
    const text = await response.text();
    expect(text).toMatch(/^Cannot submit Jaeger batch: /);
    expect(text).not.toContain("secret");
  });
});

describe("with multi-tenancy", () => {
  beforeEach(() => {
    deps = otlpDeps(true);
  });

  test("the header names the tenant", async () => {
    expect((await post({ ...THRIFT, "X-Scope-OrgID": "acme" })).status).toBe(202);
    expect(ingest.pushes[0]?.tenant).toBe("acme");
  });

  test.each([
    [undefined, "no org id"],
    ["a/b", "unsupported character"],
    ["a|b", "multiple org IDs"],
  ])("tenant %s gets 500", async (id, message) => {
    const response = await post(id === undefined ? THRIFT : { ...THRIFT, "X-Scope-OrgID": id });
    expect(response.status).toBe(500);
    expect(await response.text()).toContain(message);
    expect(ingest.pushes).toEqual([]);
  });

  test("no span needs no tenant", async () => {
    expect((await post(THRIFT, encodeStruct(thriftBatch([]), "binary"))).status).toBe(202);
    expect((await post(THRIFT, encodeStruct([], "binary"))).status).toBe(500);
    expect(ingest.pushes).toEqual([]);
  });
});

test("a browser's preflight is answered when origins are allowed", async () => {
  const cors = { allowedOrigins: ["https://app"], allowedHeaders: [], maxAgeSeconds: 0 };
  const app = jaegerHttpRoutes(ingest, { ...SETTINGS, cors }, deps);
  const response = await app.request("/api/traces", {
    method: "OPTIONS",
    headers: { origin: "https://app", "access-control-request-method": "POST" },
  });
  expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([
    204,
    "https://app",
  ]);
});

test("a sender may ask for no metrics of its spans", async () => {
  await post({ ...THRIFT, "no-generate-metrics": "" });
  expect(ingest.pushes[0]?.skipMetrics).toBe(true);
});
