import { Hono } from "hono";
import { describe, expect, test } from "vitest";
import { type ErrorKind, PintailError } from "../../src/errors.ts";
import { BodyEncoding } from "../../src/ingest/ingest.ts";
import {
  type HonoEnv,
  parseContentEncoding,
  readRequestBody,
  sniffEncoding,
} from "../../src/server/body.ts";
import { cors } from "../../src/server/cors.ts";
import { mapError } from "../../src/server/error-map.ts";
import { Readiness } from "../../src/server/readiness.ts";
import { requestMetrics, routeLabel } from "../../src/server/request-metrics.ts";
import { textErrorResponse, textNotFound } from "../../src/server/text-error.ts";
import { createLogger, silentLogger } from "../../src/telemetry/logger.ts";
import { MetricRegistry } from "../../src/telemetry/metrics.ts";

describe("errors", () => {
  test.each<[ErrorKind, number, string]>([
    ["invalid", 400, "x"],
    ["unauthenticated", 401, "x\n"],
    ["not_found", 404, "x\n"],
    ["too_large", 413, "x"],
    ["trace_too_large", 422, "x\n"],
    ["limited", 429, "x"],
    ["canceled", 499, "x"],
    ["unavailable", 503, "x"],
    ["timeout", 504, "x"],
  ])("of kind %s become %i as plain text", async (kind, status, body) => {
    const response = textErrorResponse(new PintailError(kind, "x"), silentLogger);
    expect([response.status, await response.text()]).toEqual([status, body]);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  });

  test("that are no PintailError stay secret and are logged", async () => {
    const lines: string[] = [];
    const log = createLogger(
      { level: "error", format: "json" },
      () => 0,
      (l) => lines.push(l),
    );
    const response = textErrorResponse(new Error("password"), log);
    expect([response.status, await response.text()]).toEqual([500, "internal error"]);
    expect(lines[0]).toContain("password");
  });

  test("of a push are retryable only when a retry can help", () => {
    const push = (kind: ErrorKind, retryAfterMs?: number) =>
      mapError(new PintailError(kind, "", retryAfterMs === undefined ? {} : { retryAfterMs }))
        .status.push;
    expect(push("unavailable", 1000)).toEqual({ http: 503, rpc: 8 });
    expect(push("unavailable")).toEqual({ http: 503, rpc: 14 });
    expect(push("unauthenticated")).toEqual({ http: 503, rpc: 14 });
    expect(push("internal")).toEqual({ http: 503, rpc: 14 });
    expect(push("invalid")).toEqual({ http: 400, rpc: 3 });
  });

  test("carry a retry hint", () => {
    const error = new PintailError("limited", "slow down", { retryAfterMs: 2500 });
    expect(textErrorResponse(error, silentLogger).headers.get("retry-after")).toBe("2");
  });
});

describe("a body", () => {
  const app = new Hono<HonoEnv>();
  app.post("/", async (c) => c.body(new Uint8Array(await readRequestBody(c, 10))));
  app.onError((error) => textErrorResponse(error, silentLogger));

  test("is read to its end", async () => {
    const response = await app.request("/", { method: "POST", body: "0123456789" });
    expect(await response.text()).toBe("0123456789");
    expect(await (await app.request("/", { method: "POST" })).text()).toBe("");
  });

  test("is refused by its declared length, unread", async () => {
    const response = await app.request("/", {
      method: "POST",
      headers: { "content-length": "11" },
      body: "short",
    });
    expect([response.status, await response.text()]).toEqual([
      413,
      "request body exceeds 10 bytes",
    ]);
  });

  test("is refused once it passes the limit, and the rest is cancelled", async () => {
    let pulled = 0;
    let cancelled = false;
    const body = new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(6));
      },
      cancel() {
        cancelled = true;
      },
    });
    const response = await app.request("/", {
      method: "POST",
      body,
      duplex: "half",
    } as RequestInit);
    expect(response.status).toBe(413);
    expect(cancelled).toBe(true);
    expect(pulled).toBeLessThan(5);
  });
});

describe("a Content-Encoding", () => {
  test.each([
    [undefined, BodyEncoding.identity],
    ["", BodyEncoding.identity],
    ["gzip", BodyEncoding.gzip],
    ["zstd", BodyEncoding.zstd],
    ["zlib", BodyEncoding.zlib],
    ["deflate", BodyEncoding.zlib],
    ["snappy", BodyEncoding.snappy],
    ["lz4", BodyEncoding.lz4],
  ])("of %s is known", (header, encoding) => {
    expect(parseContentEncoding(header)).toBe(encoding);
  });

  test.each(["br", "GZIP", "gzip, zstd", "identity"])("of %s is refused", (header) => {
    expect(() => parseContentEncoding(header)).toThrow(`unsupported Content-Encoding: ${header}`);
  });

  test("of snappy is framed when the body begins with the stream identifier", () => {
    const framed = Uint8Array.from([0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59, 1]);
    expect(sniffEncoding(BodyEncoding.snappy, framed)).toBe(BodyEncoding.snappyFramed);
    expect(sniffEncoding(BodyEncoding.snappy, framed.subarray(0, 9))).toBe(BodyEncoding.snappy);
    expect(sniffEncoding(BodyEncoding.gzip, framed)).toBe(BodyEncoding.gzip);
  });
});

describe("cross-origin requests", () => {
  function app(allowedOrigins: string[], allowedHeaders: string[] = [], maxAgeSeconds = 0) {
    const hono = new Hono();
    hono.use(cors({ allowedOrigins, allowedHeaders, maxAgeSeconds }));
    hono.post("/", (c) => c.text("ok"));
    return hono;
  }
  const preflight = (origin: string, method = "POST", headers?: string) => ({
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": method,
      ...(headers === undefined ? {} : { "access-control-request-headers": headers }),
    },
  });

  test("a preflight of an allowed origin is answered", async () => {
    const response = await app(["https://*.example.com"], ["x-a"], 60).request(
      "/",
      preflight("https://A.Example.com", "POST", "X-A"),
    );
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "access-control-allow-origin": "https://A.Example.com",
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "POST",
      "access-control-allow-headers": "X-A",
      "access-control-max-age": "60",
    });
  });

  test.each([
    ["another origin", preflight("https://evil.com")],
    ["another method", preflight("https://example.com", "DELETE")],
    ["another header", preflight("https://example.com", "POST", "x-other")],
    ["a shorter origin than the pattern", preflight("https://a.co")],
  ])("a preflight with %s gets 204 without permission", async (_, init) => {
    const response = await app(["https://example.com", "https://a*.com"]).request("/", init);
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    expect(response.headers.get("access-control-allow-methods")).toBeNull();
  });

  test("an actual request gets the permission with its answer", async () => {
    const request = (origin: string) => ({ method: "POST", headers: { origin } });
    const any = await app(["*"]).request("/", request("https://a.com"));
    expect(any.headers.get("access-control-allow-origin")).toBe("*");
    const other = await app(["https://b.com"]).request("/", request("https://a.com"));
    expect([other.status, other.headers.get("access-control-allow-origin")]).toEqual([200, null]);
  });
});

describe("request metrics", () => {
  test.each([
    ["/api/traces/:traceID", "api_traces_traceid"],
    ["/api/v2/search/tag/:tag{.+}/values", "api_v2_search_tag_tag_values"],
    ["/", "root"],
    ["/*", "other"],
  ])("name the route %s %s", (template, label) => {
    expect(routeLabel(template)).toBe(label);
  });

  test("are observed for each request, also a failed or unmatched one", async () => {
    const registry = new MetricRegistry();
    let now = 0;
    const metrics = requestMetrics(registry, silentLogger, () => now);
    const app = new Hono();
    app.use(metrics.http);
    app.get("/api/traces/:traceID", (c) => {
      now += 70;
      return c.text("x");
    });
    app.get("/fails", () => {
      throw new PintailError("limited", "x");
    });
    app.notFound(textNotFound);
    app.onError((error) => textErrorResponse(error, silentLogger));
    await app.request("/api/traces/abc");
    await app.request("/fails");
    expect(await (await app.request("/nowhere")).text()).toBe("404 page not found\n");
    metrics.grpc("/tempopb.StreamingQuerier/Search", 0, 5);
    metrics.grpc("/tempopb.StreamingQuerier/Search", 1, 5);
    const counts = registry
      .render()
      .split("\n")
      .filter((line) => line.startsWith("tempo_request_duration_seconds_count"));
    expect(counts).toEqual([
      'tempo_request_duration_seconds_count{method="GET",route="api_traces_traceid",status_code="200",ws="false"} 1',
      'tempo_request_duration_seconds_count{method="GET",route="fails",status_code="429",ws="false"} 1',
      'tempo_request_duration_seconds_count{method="GET",route="other",status_code="404",ws="false"} 1',
      'tempo_request_duration_seconds_count{method="gRPC",route="/tempopb.StreamingQuerier/Search",status_code="success",ws="false"} 1',
      'tempo_request_duration_seconds_count{method="gRPC",route="/tempopb.StreamingQuerier/Search",status_code="cancel",ws="false"} 1',
    ]);
    expect(registry.render()).toContain(
      'tempo_request_duration_seconds_bucket{method="GET",route="api_traces_traceid",status_code="200",ws="false",le="0.1"} 1',
    );
    expect(registry.render()).toContain('tempo_inflight_requests{method="GET",route="fails"} 0');
  });
});

test("readiness names the first reason, and stopping wins", async () => {
  const readiness = new Readiness();
  let starting: string | undefined = "LiveStore not ready: replaying";
  readiness.add(() => starting);
  expect([readiness.response().status, await readiness.response().text()]).toEqual([
    503,
    "LiveStore not ready: replaying\n",
  ]);
  starting = undefined;
  expect([readiness.response().status, await readiness.response().text()]).toEqual([
    200,
    "ready\n",
  ]);
  readiness.stop();
  expect(await readiness.response().text()).toBe("Application is stopping\n");
});
