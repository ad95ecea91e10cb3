import type { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ZIPKIN_PATHS } from "../../src/api/http/zipkin-paths.ts";
import { zipkinRoutes } from "../../src/api/http/zipkin-routes.ts";
import { BodyFormat } from "../../src/ingest/ingest.ts";
import { SpanBatch } from "../../src/model/span-batch.ts";
import { ZipkinDecoder } from "../../src/receivers/zipkin/decode.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { SegmentStore } from "../query/segment-store.ts";
import { aRequest, aSpan, attributes, hex } from "../support/otlp-builder.ts";
import { aZipkinSpan, json, type ZipkinSpan } from "../support/zipkin-builder.ts";
import { apiOf } from "./api-fixture.ts";

const NOW_MS = Date.parse("2026-01-01T00:10:00Z");
const MICROS = Date.parse("2026-01-01T00:00:00Z") * 1000;
const FIRST = "0af7651916cd43dd8448eb211c80319c";
const SECOND = "8448eb211c80319d";
const OTLP = "0af7651916cd43dd8448eb211c80319e";
const OLD = "0af7651916cd43dd8448eb211c80319f";

/** frontend → cart, whose call fails, by spans of their own; cart → database by a shared span. */
const CALLS: ZipkinSpan[] = [
  aZipkinSpan({
    traceId: FIRST,
    id: "0000000000000001",
    name: "get /",
    kind: "SERVER",
    timestamp: MICROS,
    duration: 5000,
    localEndpoint: { serviceName: "frontend", ipv4: "10.0.0.1", port: 80 },
    tags: { "http.path": "/ä", "http.status_code": "200" },
  }),
  aZipkinSpan({
    traceId: FIRST,
    id: "0000000000000002",
    parentId: "0000000000000001",
    name: "call",
    kind: "CLIENT",
    timestamp: MICROS + 100,
    duration: 4000,
    localEndpoint: { serviceName: "frontend" },
    remoteEndpoint: { serviceName: "cart", ipv6: "2001:db8::1", port: 90 },
    annotations: [
      { timestamp: MICROS + 200, value: "retry" },
      { timestamp: MICROS + 300, value: 'packed|{"a":9223372036854775807,"b":"x"}|2' },
    ],
  }),
  aZipkinSpan({
    traceId: FIRST,
    id: "0000000000000003",
    parentId: "0000000000000002",
    name: "list",
    kind: "SERVER",
    timestamp: MICROS + 400,
    duration: 3000,
    localEndpoint: { serviceName: "cart" },
    tags: {
      error: "boom",
      "host.name": "h1",
      "otel.library.name": "lib",
      "otel.library.version": "1",
      "otel.status_code": "ERROR",
      "w3c.tracestate": "a=b",
      "otlp.link.0": `${OLD}|00000000000000ff|k=v|{"n":1}|0`,
    },
  }),
];
const SHARED: ZipkinSpan[] = [
  aZipkinSpan({
    traceId: SECOND,
    id: "0000000000000011",
    name: "query",
    kind: "CLIENT",
    timestamp: MICROS + 1_000_000,
    duration: 900,
    localEndpoint: { serviceName: "cart" },
  }),
  aZipkinSpan({
    traceId: SECOND,
    id: "0000000000000011",
    name: "query",
    kind: "SERVER",
    timestamp: MICROS + 1_000_100,
    duration: 500,
    shared: true,
    localEndpoint: { serviceName: "database" },
  }),
  aZipkinSpan({
    traceId: SECOND,
    id: "0000000000000012",
    parentId: "0000000000000011",
    name: "scan",
    timestamp: MICROS + 1_000_200,
    duration: 100,
    localEndpoint: { serviceName: "database" },
    tags: { "span.kind": "internal" },
  }),
  aZipkinSpan({
    traceId: SECOND,
    id: "0000000000000013",
    parentId: "0000000000000012",
    name: "write",
    kind: "CLIENT",
    timestamp: MICROS + 1_000_250,
    duration: 10,
    localEndpoint: { serviceName: "database" },
    remoteEndpoint: { serviceName: "disk" },
  }),
];

let store: SegmentStore;
let app: Hono;

beforeAll(async () => {
  store = await SegmentStore.open();
  store.nowMs = NOW_MS;
  const add = async (spans: ZipkinSpan[], tenant?: string) => {
    const batch = new SpanBatch(7);
    const decoder = new ZipkinDecoder(batch, { maxAttributeBytes: 0 });
    decoder.decode(BodyFormat.zipkinV2Json, json(spans));
    await store.addBatch(batch, tenant === undefined ? {} : { tenant });
  };
  // The parts of a trace may lie in several segments.
  await add([CALLS[0]!, CALLS[2]!, ...SHARED]);
  await add([CALLS[1]!]);
  const two_days = 2 * 86_400 * 1_000_000;
  await add([
    aZipkinSpan({
      traceId: OLD,
      timestamp: MICROS - two_days,
      localEndpoint: { serviceName: "old" },
    }),
  ]);
  const nanos = BigInt(MICROS) * 1000n + 5_000_000_000n;
  await store.add([
    aRequest(
      [
        aSpan({
          traceId: hex(OTLP),
          name: "typed",
          kind: 1,
          startTimeUnixNano: nanos,
          endTimeUnixNano: nanos + 999n,
          status: { code: 2, message: "why" },
          attributes: attributes({ code: 500n, ok: true, ratio: 0.5, "net.peer.port": "none" }),
        }),
      ],
      { service: "otlp", scope: "lib" },
    ),
  ]);
  app = apiOf(store);
});
afterAll(() => store.close());

async function get(path: string, params: Record<string, string> = {}) {
  const query = new URLSearchParams(params);
  const response = await app.request(`/zipkin/api/v2${path}?${query}`);
  const text = await response.text();
  return { status: response.status, text, type: response.headers.get("content-type") };
}

async function ok(path: string, params: Record<string, string> = {}) {
  const { status, text, type } = await get(path, params);
  if (status !== 200) throw new Error(`${status} ${text}`);
  expect(type).toBe("application/json");
  return JSON.parse(text);
}

const idsOf = async (params: Record<string, string>): Promise<string[]> =>
  (await ok("/traces", params)).map((trace: ZipkinSpan[]) => trace[0]!.traceId);

test("services, span names and remote services of the last day are listed", async () => {
  expect(await ok("/services")).toEqual(["cart", "database", "frontend", "otlp"]);
  expect(await ok("/spans", { serviceName: "frontend" })).toEqual(["call", "get /"]);
  expect(await ok("/spans", { serviceName: 'x" || true' })).toEqual([]);
  expect(await ok("/remoteServices", { serviceName: "frontend" })).toEqual(["cart"]);
  expect(await ok("/remoteServices", { serviceName: "cart" })).toEqual([]);
});

test("the UI is told that it may search", async () => {
  const response = await app.request("/zipkin/config.json");
  expect(await response.json()).toMatchObject({
    searchEnabled: true,
    queryLimit: 10,
    dependency: { enabled: true },
  });
});

test("a trace comes back as it was sent", async () => {
  const spans: ZipkinSpan[] = await ok(`/trace/${FIRST}`);
  const byId = new Map(spans.map((span) => [span.id, span]));
  expect(spans.length).toBe(3);
  for (const sent of CALLS) {
    const { tags = {}, annotations = [], ...rest } = sent;
    expect(byId.get(sent.id)).toEqual({ ...rest, tags, annotations });
  }
});

test("a server span that shared its client's id is its child", async () => {
  const spans: ZipkinSpan[] = await ok(`/trace/${SECOND}`);
  const named = (kind?: string) =>
    spans.find((span) => span.kind === kind && span.name !== "write")!;
  const [client, server, internal] = [named("CLIENT"), named("SERVER"), named()];
  expect(client.id).toBe("0000000000000011");
  expect(server.parentId).toBe(client.id);
  expect(internal.parentId).toBe(server.id);
  expect(internal.tags).toEqual({ "span.kind": "internal" });
  expect(spans.every((span) => span.traceId === SECOND)).toBe(true);
});

test("spans that came as OTLP have their values as texts, and an error tag", async () => {
  const [span] = await ok(`/trace/${OTLP}`);
  expect(span).toEqual({
    traceId: OTLP,
    id: "b7ad6b7169203331",
    name: "typed",
    timestamp: MICROS + 5_000_000,
    duration: 1,
    localEndpoint: { serviceName: "otlp" },
    annotations: [],
    tags: {
      code: "500",
      ok: "true",
      ratio: "0.5",
      "net.peer.port": "none",
      "otel.library.name": "lib",
      "otel.status_code": "ERROR",
      "otel.status_description": "why",
      error: "why",
      "span.kind": "internal",
    },
  });
});

test("an unknown trace is 404, a bad id 400", async () => {
  expect((await get("/trace/1234")).status).toBe(404);
  expect((await get("/trace/xyz")).status).toBe(400);
});

describe("traces", () => {
  test.each<[Record<string, string>, string[]]>([
    [{}, [OTLP, SECOND, FIRST]],
    [{ limit: "1" }, [OTLP]],
    [{ serviceName: "cart" }, [SECOND, FIRST]],
    [{ serviceName: "cart", spanName: "list" }, [FIRST]],
    [{ serviceName: "cart", spanName: "all" }, [SECOND, FIRST]],
    [{ serviceName: "frontend", spanName: "list" }, []],
    [{ remoteServiceName: "cart" }, [FIRST]],
    [{ annotationQuery: "http.path=/ä" }, [FIRST]],
    [{ annotationQuery: "http.path = /ä and http.status_code" }, [FIRST]],
    [{ annotationQuery: "http.path=/ä and host.name=h1" }, [FIRST]],
    [{ annotationQuery: "http.path=/ä and host.name=h1", serviceName: "cart" }, []],
    [{ annotationQuery: "error" }, [OTLP, FIRST]],
    [{ annotationQuery: "retry" }, [FIRST]],
    [{ annotationQuery: "absent" }, []],
    [{ annotationQuery: "code=500" }, [OTLP]],
    [{ annotationQuery: "ok=true and ratio=0.5" }, [OTLP]],
    [{ annotationQuery: 'http.path=" } || { true' }, []],
    [{ minDuration: "3000" }, [FIRST]],
    [{ minDuration: "500", maxDuration: "900" }, [SECOND]],
    [{ serviceName: "frontend", minDuration: "4500" }, [FIRST]],
    [{ serviceName: "cart", minDuration: "4500" }, []],
    [{ lookback: "1000" }, []],
    [{ endTs: String(NOW_MS - 172_700_000) }, [OLD]],
    [{ lookback: "604800000" }, [OTLP, SECOND, FIRST, OLD]],
  ])("%j are %j", async (params, expected) => {
    expect(await idsOf(params)).toEqual(expected);
  });

  test.each<[Record<string, string>, string]>([
    [{ limit: "0" }, "limit"],
    [{ limit: "1001" }, "limit"],
    [{ limit: "x" }, "limit is not a whole number"],
    [{ endTs: "0" }, "endTs"],
    [{ lookback: "0" }, "lookback"],
    [{ lookback: "-1" }, "lookback"],
    [{ maxDuration: "1" }, "maxDuration is only valid with minDuration"],
    [{ minDuration: "2", maxDuration: "1" }, "maxDuration is less"],
    [{ annotationQuery: "=x" }, "without a key"],
    [{ lookback: "999999999999" }, ""],
  ])("%j is 400", async (params, message) => {
    const { status, text } = await get("/traces", params);
    expect([status, text]).toEqual([400, expect.stringContaining(message)]);
  });
});

test("several traces are given by id, unknown ones left out", async () => {
  const traces = await ok("/traceMany", { traceIds: `${FIRST},1234,${SECOND}` });
  expect(traces.map((trace: ZipkinSpan[]) => trace.length)).toEqual([3, 4]);
  expect((await get("/traceMany")).status).toBe(400);
  expect((await get("/traceMany", { traceIds: "1,".repeat(1001) })).status).toBe(400);
});

test("dependencies are counted by parents, by shared spans once, by peers that send no spans", async () => {
  const endTs = String(NOW_MS);
  expect(await ok("/dependencies", { endTs })).toEqual([
    { parent: "cart", child: "database", callCount: 1, errorCount: 0 },
    { parent: "database", child: "disk", callCount: 1, errorCount: 0 },
    { parent: "frontend", child: "cart", callCount: 1, errorCount: 1 },
  ]);
  expect(await ok("/dependencies", { endTs, lookback: "1000" })).toEqual([]);
  expect((await get("/dependencies")).status).toBe(400);
});

test("keys and values for the search bar are listed", async () => {
  const keys = await ok("/autocompleteKeys");
  expect(keys).toEqual(expect.arrayContaining(["code", "host.name", "http.path"]));
  expect(keys).not.toContain("service.name");
  expect(await ok("/autocompleteValues", { key: "http.path" })).toEqual(["/ä"]);
  expect(await ok("/autocompleteValues", { key: "host.name" })).toEqual(["h1"]);
  expect(await ok("/autocompleteValues", { key: 'a "b"' })).toEqual([]);
  expect((await get("/autocompleteValues")).status).toBe(400);
});

test.each(["/services", "/spans", "/traces", `/trace/${FIRST}`, "/dependencies"])(
  "%s needs a tenant where there are several",
  async (path) => {
    const several = apiOf(store, { multitenancyEnabled: true });
    const url = `/zipkin/api/v2${path}?serviceName=x&endTs=1`;
    expect((await several.request(url)).status).toBe(401);
    const other = await several.request(url, { headers: { "x-scope-orgid": "other" } });
    expect([200, 404]).toContain(other.status);
  },
);

test("all paths are known before what answers is loaded, each a route of its own", () => {
  const parts = {
    engine: store.engine(),
    log: silentLogger,
    tenantRules: { multitenancyEnabled: false, multiTenantQueriesEnabled: false },
  };
  const paths = zipkinRoutes(parts, "/base").routes.map(({ path }) => path);
  expect(paths).toEqual(ZIPKIN_PATHS.map((path) => `/base${path}`));
});
