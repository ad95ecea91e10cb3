import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  type FindTracesRequest,
  FindTracesRequestSchema,
  GetServicesResponseSchema,
  QueryService,
} from "../../../gen/jaeger/api_v3/query_service_pb.ts";
import type { TracesData } from "../../../gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import { queryGrpcService } from "../../../src/api/grpc/health.ts";
import { JAEGER_METHODS } from "../../../src/api/grpc/jaeger-methods.ts";
import { jaegerQuery } from "../../../src/api/grpc/jaeger-query.ts";
import { connectRoutes, lazyConnectHandlers } from "../../../src/server/connect.ts";
import { Readiness } from "../../../src/server/readiness.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { SegmentStore, TEST_LIMITS } from "../../query/segment-store.ts";
import { Sockets } from "../../runtime/support.ts";
import { aRequest, aSpan, attributes, hex, type SpanInit } from "../../support/otlp-builder.ts";

/** 2023-11-14T22:13:20Z */
const T0 = 1_700_000_000;
const WIDE = "0af7651916cd43dd8448eb211c80319c";
const SMALL = "0af7651916cd43dd8448eb211c80319d";
const WIDE_SPANS = 50;

const sockets = new Sockets();
let store: SegmentStore;

beforeAll(async () => {
  store = await SegmentStore.open();
  const start = BigInt(T0) * 1_000_000_000n;
  const wide = Array.from({ length: WIDE_SPANS }, (_, i) => {
    const init: SpanInit = {
      traceId: hex(WIDE),
      spanId: hex((i + 1).toString(16).padStart(16, "0")),
      ...(i === 0 ? {} : { parentSpanId: hex("0000000000000001") }),
      name: `op ${i}`,
      kind: i % 2 === 0 ? 1 : 2,
      startTimeUnixNano: start + BigInt(i),
      endTimeUnixNano: start + 1_000_000n,
      attributes: attributes({ n: BigInt(i) }),
    };
    return aSpan(init);
  });
  const small = aSpan({
    traceId: hex(SMALL),
    spanId: hex("00000000000000aa"),
    name: "small",
    startTimeUnixNano: start + 1_000_000_000n,
    endTimeUnixNano: start + 1_000_000_001n,
  });
  await store.add([aRequest(wide.slice(0, 30), { service: "shop" })]);
  await store.add([aRequest(wide.slice(30), { service: "cart" })]);
  await store.add([aRequest([small], { service: "shop" })]);
});
afterAll(() => store.close());
afterEach(async () => {
  store.limits = TEST_LIMITS;
  await sockets.closeAll();
});

async function serve(options: { maxPacketBytes?: number; multitenancyEnabled?: boolean } = {}) {
  const observed: [string, number][] = [];
  const parts = {
    engine: store.engine(),
    log: silentLogger,
    tenantRules: {
      multitenancyEnabled: options.multitenancyEnabled ?? false,
      multiTenantQueriesEnabled: true,
    },
    maxPacketBytes: options.maxPacketBytes ?? 2_097_152,
  };
  const limits = { maxRecvMessageBytes: 1_048_576, maxSendMessageBytes: 16_777_216 };
  const handlers = lazyConnectHandlers(JAEGER_METHODS, async () => jaegerQuery(parts), limits);
  const { port } = await sockets.listen({
    fetch: (request, env) => connectRoutes(handlers).fetch(request, env),
    grpc: queryGrpcService(new Readiness(), handlers, (path, code) => observed.push([path, code])),
  });
  const baseUrl = `http://127.0.0.1:${port}`;
  const client = createClient(QueryService, createGrpcTransport({ baseUrl }));
  return { port, baseUrl, client, observed };
}

const at = (seconds: number, nanos = 0) => ({ seconds: BigInt(T0 + seconds), nanos });

type Query = Partial<Omit<NonNullable<FindTracesRequest["query"]>, "$typeName" | "$unknown">>;

async function all(messages: AsyncIterable<TracesData>): Promise<TracesData[]> {
  const read: TracesData[] = [];
  for await (const message of messages) read.push(message);
  return read;
}

async function found(client: Client<typeof QueryService>, query: Query): Promise<string[]> {
  const messages = await all(
    client.findTraces({ query: { startTimeMin: at(0), startTimeMax: at(60), ...query } as never }),
  );
  return [...new Set(messages.flatMap(spansOf).map(({ traceId }) => traceId))];
}

function spansOf({ resourceSpans }: TracesData) {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, name }) => ({
        traceId: Buffer.from(traceId).toString("hex"),
        name,
        service: resource?.attributes.find(({ key }) => key === "service.name")?.value?.value.value,
      })),
    ),
  );
}

async function failure(call: () => Promise<unknown>): Promise<[Code, string]> {
  try {
    await call();
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return [code, rawMessage];
  }
  throw new Error("no failure");
}

test("services, operations and dependencies are listed", async () => {
  const { client, observed } = await serve();
  expect((await client.getServices({})).services).toEqual(["cart", "shop"]);
  const { operations } = await client.getOperations({ service: "shop" });
  expect(operations.length).toBe(31);
  expect(operations.find(({ name }) => name === "op 1")).toMatchObject({ spanKind: "server" });
  expect(operations.find(({ name }) => name === "small")).toMatchObject({ spanKind: "" });
  const { operations: servers } = await client.getOperations({
    service: "cart",
    spanKind: "server",
  });
  expect(servers.length).toBe(10);
  const range = { startTime: at(0), endTime: at(60) };
  expect((await client.getDependencies(range)).dependencies).toMatchObject([
    { parent: "shop", child: "cart", callCount: 20n },
  ]);
  expect(observed.map(([, code]) => code)).toEqual([0, 0, 0, 0]);
});

describe("a trace", () => {
  test("comes as OTLP", async () => {
    const { client } = await serve();
    const messages = await all(client.getTrace({ traceId: WIDE }));
    expect(messages.length).toBe(1);
    const spans = spansOf(messages[0]!);
    expect(spans.length).toBe(WIDE_SPANS);
    expect(spans[0]).toEqual({ traceId: WIDE, name: "op 0", service: "shop" });
    expect(spans.at(-1)).toEqual({ traceId: WIDE, name: "op 49", service: "cart" });
    const range = { startTime: at(-60), endTime: at(60) };
    expect((await all(client.getTrace({ traceId: WIDE, ...range }))).length).toBe(1);
  });

  test.each([1, 1000, 3000])("comes in packets of %i bytes, each span once", async (bytes) => {
    const { client } = await serve({ maxPacketBytes: bytes });
    const messages = await all(client.getTrace({ traceId: WIDE }));
    expect(messages.length).toBeGreaterThan(1);
    if (bytes === 1) expect(messages.length).toBe(WIDE_SPANS);
    const names = messages.flatMap(spansOf).map(({ name }) => name);
    expect(names).toEqual(Array.from({ length: WIDE_SPANS }, (_, i) => `op ${i}`));
  });

  test("that is not known, ill named or too large is refused", async () => {
    const { client } = await serve();
    const get = (traceId: string) => failure(() => all(client.getTrace({ traceId })));
    expect(await get("1234")).toEqual([Code.NotFound, "trace not found"]);
    expect(await get("")).toEqual([Code.InvalidArgument, "trace_id is required"]);
    expect((await get("xyz"))[0]).toBe(Code.InvalidArgument);
    store.limits = { ...TEST_LIMITS, maxBytesPerTrace: 100 };
    expect((await get(WIDE))[0]).toBe(Code.FailedPrecondition);
  });
});

describe("traces", () => {
  test.each<[string, Query, string[]]>([
    ["of a range", {}, [SMALL, WIDE]],
    ["of a service", { serviceName: "cart" }, [WIDE]],
    ["with an operation", { operationName: "small" }, [SMALL]],
    ["with attributes", { attributes: { n: "7" } }, [WIDE]],
    ["with two attributes on one span", { attributes: { n: "7", "span.kind": "internal" } }, []],
    ["of a service that is no name", { serviceName: "` } || { true" }, []],
    ["of a duration", { durationMin: { seconds: 0n, nanos: 500 } as never }, [WIDE]],
    ["so many", { searchDepth: 1 }, [SMALL]],
    ["that start later", { startTimeMin: at(0, 500_000_000) as never }, [SMALL]],
    ["that start before the end", { startTimeMax: at(1) as never }, [WIDE]],
  ])("%s are found", async (_, query, expected) => {
    const { client } = await serve();
    expect(await found(client, query)).toEqual(expected);
  });

  test.each<[string, Query]>([
    ["no range", { startTimeMin: undefined as never }],
    ["an end before its start", { startTimeMax: at(0) as never }],
    ["a time that is out of range", { startTimeMax: { seconds: 2n ** 62n, nanos: 0 } as never }],
    ["a negative time", { startTimeMin: { seconds: -5n, nanos: 0 } as never }],
    ["a second of more nanoseconds", { startTimeMin: at(0, 2_000_000_000) as never }],
    ["a negative depth", { searchDepth: -1 }],
    ["too large a depth", { searchDepth: 2 ** 30 }],
    ["an attribute without a name", { attributes: { "": "x" } }],
    ["a filter", { filter: new Uint8Array(2) }],
    ["an empty filter", { filter: new Uint8Array() }],
    ["a service beyond all bounds", { serviceName: "x".repeat(200_000) }],
  ])("%s is refused", async (_, query) => {
    const { client } = await serve();
    expect((await failure(() => found(client, query)))[0]).toBe(Code.InvalidArgument);
  });

  test("a request without a query is refused, one beyond the message's bound too", async () => {
    const { client } = await serve();
    const [code] = await failure(() => all(client.findTraces({})));
    expect(code).toBe(Code.InvalidArgument);
    const serviceName = "x".repeat(2_000_000);
    const [large] = await failure(() => found(client, { serviceName }));
    expect(large).toBe(Code.ResourceExhausted);
  });
});

test("plain gRPC clients and Connect's are answered alike", async () => {
  const { port, baseUrl, observed } = await serve();
  const plain = sockets.grpc(port);
  const path = "/jaeger.api_v3.QueryService";
  const unary = await plain.unary(`${path}/GetServices`, new Uint8Array());
  if (unary.error !== undefined) throw unary.error;
  expect(fromBinary(GetServicesResponseSchema, unary.response).services).toEqual(["cart", "shop"]);
  for (const httpVersion of ["1.1", "2"] as const) {
    const transport = createConnectTransport({ baseUrl, httpVersion });
    const client = createClient(QueryService, transport);
    expect((await client.getServices({})).services).toEqual(["cart", "shop"]);
    expect(await found(client, { serviceName: "cart" })).toEqual([WIDE]);
  }
  expect(observed.every(([, code]) => code === 0)).toBe(true);
});

test("a message of Jaeger's clients is read by its field numbers", () => {
  const query = { serviceName: "a", operationName: "b", attributes: { c: "d" }, searchDepth: 7 };
  const bytes = toBinary(FindTracesRequestSchema, create(FindTracesRequestSchema, { query }));
  expect(Buffer.from(bytes).toString("hex")).toBe("0a100a0161120162" + "1a060a0163120164" + "4007");
});

test("every method that is described is served", () => {
  const described = QueryService.methods.map(({ name }) => `/${QueryService.typeName}/${name}`);
  expect(JAEGER_METHODS).toEqual(described);
});

test("a tenant is needed where there are several, and sees its own", async () => {
  const { client } = await serve({ multitenancyEnabled: true });
  expect((await failure(() => client.getServices({})))[1]).toBe("no org id");
  const headers = { "x-scope-orgid": "other" };
  expect((await client.getServices({}, { headers })).services).toEqual([]);
});
