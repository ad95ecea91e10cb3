import type { Hono } from "hono";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SegmentStore, TEST_LIMITS } from "../query/segment-store.ts";
import { aRequest, aSpan, attributes, hex } from "../support/otlp-builder.ts";
import { apiOf } from "./api-fixture.ts";

const NOW_MS = Date.parse("2026-01-01T00:10:00Z");
const START = BigInt(Date.parse("2026-01-01T00:00:00Z")) * 1_000_000n;
const FIRST = "0af7651916cd43dd8448eb211c80319c";
const SECOND = "0af7651916cd43dd8448eb211c80319d";
const RANGE = {
  "query.start_time_min": "2026-01-01T00:00:00Z",
  "query.start_time_max": "2026-01-01T00:10:00+00:00",
};

let store: SegmentStore;
let app: Hono;

beforeAll(async () => {
  store = await SegmentStore.open();
  store.nowMs = NOW_MS;
  const root = aSpan({
    traceId: hex(FIRST),
    spanId: hex("0000000000000001"),
    name: "GET /",
    kind: 2,
    startTimeUnixNano: START,
    endTimeUnixNano: START + 5_000_001n,
    attributes: attributes({ code: 500n }),
    links: [{ traceId: hex(SECOND), spanId: hex("00000000000000ff") }],
    status: { code: 2, message: "boom" },
  });
  const call = aSpan({
    traceId: hex(FIRST),
    spanId: hex("0000000000000002"),
    parentSpanId: hex("0000000000000001"),
    name: "list",
    startTimeUnixNano: START + 1000n,
    endTimeUnixNano: START + 2000n,
  });
  const later = aSpan({
    traceId: hex(SECOND),
    name: "GET /",
    kind: 2,
    startTimeUnixNano: START + 1_000_000_000n,
    endTimeUnixNano: START + 1_000_000_100n,
  });
  await store.add([aRequest([root, later], { service: "frontend" })]);
  await store.add([aRequest([call], { service: "cart" })]);
  app = apiOf(store);
});
afterAll(() => store.close());
afterEach(() => {
  store.limits = TEST_LIMITS;
});

async function get(path: string, params: Record<string, string> = {}) {
  const response = await app.request(`/jaeger/api/v3${path}?${new URLSearchParams(params)}`);
  expect(response.headers.get("content-type")).toBe("application/json");
  return { status: response.status, body: JSON.parse(await response.text()) };
}

const idsOf = async (params: Record<string, string>): Promise<string[]> => {
  const { status, body } = await get("/traces", params);
  if (status !== 200) throw new Error(JSON.stringify(body));
  type Group = { scopeSpans: { spans: { traceId: string }[] }[] };
  const spans = body.result.resourceSpans.flatMap((group: Group) =>
    group.scopeSpans.flatMap(({ spans: some }) => some),
  );
  return [...new Set<string>(spans.map(({ traceId }: { traceId: string }) => traceId))];
};

test("services and operations are listed", async () => {
  expect((await get("/services")).body).toEqual({ services: ["cart", "frontend"] });
  expect((await get("/operations", { service: "frontend", span_kind: "server" })).body).toEqual({
    operations: [{ name: "GET /", spanKind: "server" }],
  });
  expect((await get("/operations", { service: "frontend", spanKind: "client" })).body).toEqual({
    operations: [],
  });
  expect((await get("/operations")).status).toBe(400);
});

test("a trace is OTLP's JSON, ids in hex and enums as numbers", async () => {
  const { status, body } = await get(`/traces/${FIRST}`);
  expect(status).toBe(200);
  const service = (value: string) => ({
    attributes: [{ key: "service.name", value: { stringValue: value } }],
  });
  expect(body).toEqual({
    result: {
      resourceSpans: [
        {
          resource: service("frontend"),
          scopeSpans: [
            {
              scope: { name: "test" },
              spans: [
                {
                  traceId: FIRST,
                  spanId: "0000000000000001",
                  name: "GET /",
                  kind: 2,
                  startTimeUnixNano: String(START),
                  endTimeUnixNano: String(START + 5_000_001n),
                  attributes: [{ key: "code", value: { intValue: "500" } }],
                  links: [{ traceId: SECOND, spanId: "00000000000000ff" }],
                  status: { code: 2, message: "boom" },
                },
              ],
            },
          ],
        },
        {
          resource: service("cart"),
          scopeSpans: [
            {
              scope: { name: "test" },
              spans: [
                {
                  traceId: FIRST,
                  spanId: "0000000000000002",
                  parentSpanId: "0000000000000001",
                  name: "list",
                  startTimeUnixNano: String(START + 1000n),
                  endTimeUnixNano: String(START + 2000n),
                  status: {},
                },
              ],
            },
          ],
        },
      ],
    },
  });
});

test("errors are those of Jaeger's gateway", async () => {
  expect(await get("/traces/1234")).toEqual({
    status: 404,
    body: { error: { grpcCode: 5, httpCode: 404, message: "trace not found" } },
  });
  expect((await get("/traces/x")).body.error).toMatchObject({ grpcCode: 3, httpCode: 400 });
  store.limits = { ...TEST_LIMITS, maxBytesPerTrace: 10 };
  expect((await get(`/traces/${FIRST}`)).body.error).toMatchObject({ grpcCode: 9, httpCode: 422 });
});

describe("traces", () => {
  test.each<[Record<string, string>, string[]]>([
    [{}, [SECOND, FIRST]],
    [{ "query.service_name": "frontend" }, [SECOND, FIRST]],
    [{ "query.serviceName": "cart" }, [FIRST]],
    [{ "query.operation_name": "list" }, [FIRST]],
    [{ "query.service_name": "frontend", "query.operation_name": "list" }, []],
    [{ "query.attributes": '{"code":"500","error":"true"}' }, [FIRST]],
    [{ "query.attributes": '{"code":"501"}' }, []],
    [{ "query.duration_min": "5ms" }, [FIRST]],
    [{ "query.duration_max": "100ns", "query.operation_name": "GET /" }, [SECOND]],
    [{ "query.search_depth": "1" }, [SECOND]],
    [{ "query.num_traces": "1" }, [SECOND]],
    [{ "query.start_time_max": "2026-01-01T00:00:00.5Z" }, [FIRST]],
    [{ "query.start_time_min": "2026-01-01T00:00:00.5Z" }, [SECOND]],
    // The end is not in the range, the start is.
    [{ "query.start_time_max": "2026-01-01T00:00:01Z" }, [FIRST]],
    [{ "query.start_time_min": "2026-01-01T00:00:01Z" }, [SECOND]],
    [{ "query.raw_traces": "true" }, [SECOND, FIRST]],
  ])("%j are %j", async (params, expected) => {
    expect(await idsOf({ ...RANGE, ...params })).toEqual(expected);
  });

  test.each<[Record<string, string>, string]>([
    [{ "query.start_time_min": "" }, "are required"],
    [{ "query.start_time_min": "yesterday" }, "is no time"],
    [{ "query.start_time_min": "2026-01-01T00:10:00Z" }, "is not before"],
    [{ "query.start_time_min": "2020-01-01T00:10:00Z" }, "exceeds"],
    [{ "query.search_depth": "x" }, "search_depth"],
    [{ "query.search_depth": "1501" }, "limit"],
    [{ "query.duration_min": "5" }, "duration_min"],
    [{ "query.duration_min": "2s", "query.duration_max": "1s" }, "is less than"],
    [{ "query.attributes": "a=b" }, "query.attributes"],
    [{ "query.filter": "{}" }, "not supported"],
  ])("%j is 400", async (params, message) => {
    const { status, body } = await get("/traces", { ...RANGE, ...params });
    expect([status, body.error.message]).toEqual([400, expect.stringContaining(message)]);
  });
});

test("dependencies of a range are listed", async () => {
  const range = { start_time: "2026-01-01T00:00:00Z", end_time: "2026-01-01T00:10:00Z" };
  expect((await get("/dependencies", range)).body).toEqual({
    dependencies: [{ parent: "frontend", child: "cart", callCount: "1" }],
  });
  expect((await get("/dependencies", { start_time: range.start_time })).status).toBe(400);
});

test("a tenant is needed where there are several", async () => {
  const several = apiOf(store, { multitenancyEnabled: true });
  const response = await several.request("/jaeger/api/v3/services");
  expect(JSON.parse(await response.text()).error).toMatchObject({ httpCode: 401 });
});
