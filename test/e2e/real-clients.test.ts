import { fromBinary } from "@bufbuild/protobuf";
import {
  type AttributeValue,
  context,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter as GrpcExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtoExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  type SpanExporter,
} from "@opentelemetry/sdk-trace-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TraceByIDResponseSchema, TraceSchema } from "../../gen/tempopb/tempo_pb.ts";
import {
  attributeOf,
  foundIds,
  hexOfBase64,
  type ReadResourceSpans,
  type ReadSpan,
  resourceSpansOf,
  search,
} from "../support/e2e-answers.ts";
import { grpcClient } from "../support/e2e-grpc.ts";
import { aRequest, aSpan, attribute, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";

const LINKED = { traceId: "1234567890abcdef1234567890abcdef", spanId: "1234567890abcdef" };

const ATTRIBUTES: Record<string, AttributeValue> = {
  "a.string": 'grüße, 日本, "quotes" and \\ and \n',
  "a.empty": "",
  "an.int": 9_007_199_254_740_991,
  "a.negative": -42,
  "a.double": 0.1,
  "a.true": true,
  "a.false": false,
  "some.strings": ["x", "", "ü"],
  "some.ints": [1, -2, 3],
  "some.doubles": [1.5, -2.25],
  "some.bools": [true, false],
};

/** The same in the JSON form of the query API. */
const STORED: Record<string, unknown> = {
  "a.string": { stringValue: 'grüße, 日本, "quotes" and \\ and \n' },
  "a.empty": { stringValue: "" },
  "an.int": { intValue: "9007199254740991" },
  "a.negative": { intValue: "-42" },
  "a.double": { doubleValue: 0.1 },
  "a.true": { boolValue: true },
  "a.false": { boolValue: false },
  "some.strings": {
    arrayValue: { values: [{ stringValue: "x" }, { stringValue: "" }, { stringValue: "ü" }] },
  },
  "some.ints": {
    arrayValue: { values: [{ intValue: "1" }, { intValue: "-2" }, { intValue: "3" }] },
  },
  "some.doubles": { arrayValue: { values: [{ doubleValue: 1.5 }, { doubleValue: -2.25 }] } },
  "some.bools": { arrayValue: { values: [{ boolValue: true }, { boolValue: false }] } },
};

let pintail: PintailProcess;

beforeAll(async () => {
  pintail = await PintailProcess.start();
});

afterAll(() => pintail?.remove());

const exporters: Record<string, () => SpanExporter> = {
  "OTLP gRPC": () => new GrpcExporter({ url: `http://127.0.0.1:${pintail.ports.otlpGrpc}` }),
  "OTLP gRPC, gzip": () =>
    new GrpcExporter({
      url: `http://127.0.0.1:${pintail.ports.otlpGrpc}`,
      compression: "gzip" as never,
    }),
  "OTLP/HTTP protobuf": () => new ProtoExporter({ url: tracesUrl() }),
  "OTLP/HTTP protobuf, gzip": () =>
    new ProtoExporter({ url: tracesUrl(), compression: "gzip" as never }),
  "OTLP/HTTP JSON": () => new JsonExporter({ url: tracesUrl() }),
};

function tracesUrl(): string {
  return `http://127.0.0.1:${pintail.ports.otlpHttp}/v1/traces`;
}

/** A server span with two children; the second fails. Returns the trace's id. */
function work(tracer: Tracer): string {
  const root = tracer.startSpan("GET /checkout", {
    kind: SpanKind.SERVER,
    attributes: ATTRIBUTES,
    links: [
      {
        context: { ...LINKED, traceFlags: TraceFlags.SAMPLED },
        attributes: { "link.reason": "retry", "link.count": 2 },
      },
    ],
  });
  const inRoot = trace.setSpan(context.active(), root);
  const query = tracer.startSpan("SELECT", { kind: SpanKind.CLIENT }, inRoot);
  query.addEvent("row", { "event.rows": 7, "event.name": "first" });
  query.end();
  const pay = tracer.startSpan("pay", { kind: SpanKind.PRODUCER }, inRoot);
  pay.recordException(new TypeError("card declined"));
  pay.setStatus({ code: SpanStatusCode.ERROR, message: "card declined" });
  pay.end();
  root.setStatus({ code: SpanStatusCode.OK });
  root.end();
  return root.spanContext().traceId;
}

async function send(name: string, service: string): Promise<string> {
  const exporter = exporters[name]!();
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ "service.name": service, "host.cpus": 4 }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  const traceId = work(provider.getTracer("shop.lib", "1.2.3"));
  await provider.forceFlush();
  await provider.shutdown();
  return traceId;
}

function serviceOf(name: string): string {
  return `shop via ${name}`;
}

describe.each(Object.keys(exporters))("the OpenTelemetry SDK over %s", (name) => {
  const service = serviceOf(name);
  let traceId: string;
  let groups: ReadResourceSpans[];
  let byName: Map<string | undefined, ReadSpan>;

  beforeAll(async () => {
    traceId = await send(name, service);
    groups = await resourceSpansOf(pintail, traceId);
    const spans = groups.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans));
    byName = new Map(spans.map((span) => [span.name, span]));
    expect(spans.length).toBe(3);
  });

  it("gives every attribute back with its type", () => {
    const root = byName.get("GET /checkout")!;
    for (const [key, value] of Object.entries(STORED)) {
      expect(attributeOf(root, key), key).toEqual(value);
    }
    expect(root.attributes?.length).toBe(Object.keys(STORED).length);
  });

  it("gives resource, scope, kinds, parents, status, events and links back", () => {
    const [root, query, pay] = ["GET /checkout", "SELECT", "pay"].map((n) => byName.get(n)!);
    expect(attributeOf(groups[0]!.resource, "service.name")).toEqual({ stringValue: service });
    expect(attributeOf(groups[0]!.resource, "host.cpus")).toEqual({ intValue: "4" });
    expect(groups[0]!.scopeSpans[0]!.scope).toEqual({ name: "shop.lib", version: "1.2.3" });
    expect([root!.kind, query!.kind, pay!.kind]).toEqual([
      "SPAN_KIND_SERVER",
      "SPAN_KIND_CLIENT",
      "SPAN_KIND_PRODUCER",
    ]);
    expect(root!.parentSpanId).toBeUndefined();
    expect([query!.parentSpanId, pay!.parentSpanId]).toEqual([root!.spanId, root!.spanId]);
    expect(root!.status).toEqual({ code: "STATUS_CODE_OK" });
    expect(pay!.status).toEqual({ code: "STATUS_CODE_ERROR", message: "card declined" });
    expect(hexOfBase64(root!.traceId)).toBe(traceId);
    const [event] = query!.events!;
    expect(event!.name).toBe("row");
    expect(attributeOf(event!, "event.rows")).toEqual({ intValue: "7" });
    const [exception] = pay!.events!;
    expect(exception!.name).toBe("exception");
    expect(attributeOf(exception!, "exception.type")).toEqual({ stringValue: "TypeError" });
    const [link] = root!.links!;
    expect(hexOfBase64(link!.traceId)).toBe(LINKED.traceId);
    expect(hexOfBase64(link!.spanId)).toBe(LINKED.spanId);
    expect(attributeOf(link!, "link.reason")).toEqual({ stringValue: "retry" });
  });

  it("gives the same as protobuf, on both versions of the route", async () => {
    for (const version of ["", "/v2"]) {
      const path = `/api${version}/traces/${traceId}`;
      const response = await pintail.get(path, { accept: "application/protobuf" });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/protobuf");
      const bytes = new Uint8Array(await response.arrayBuffer());
      const found =
        version === ""
          ? fromBinary(TraceSchema, bytes)
          : fromBinary(TraceByIDResponseSchema, bytes).trace!;
      const spans = found.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans));
      expect(spans.map((span) => span.name).sort()).toEqual(["GET /checkout", "SELECT", "pay"]);
      for (const span of spans) {
        const read = byName.get(span.name)!;
        expect(Buffer.from(span.spanId).toString("base64")).toBe(read.spanId);
        expect(String(span.startTimeUnixNano)).toBe(read.startTimeUnixNano);
        expect(String(span.endTimeUnixNano)).toBe(read.endTimeUnixNano);
        expect(span.attributes.length).toBe(read.attributes?.length ?? 0);
        expect(span.events.length).toBe(read.events?.length ?? 0);
        // Grafana dereferences these without looking.
        expect(span.status).toBeDefined();
      }
      expect(found.resourceSpans.every((r) => r.resource !== undefined)).toBe(true);
      expect(found.resourceSpans.every((r) => r.scopeSpans.every((s) => s.scope))).toBe(true);
    }
  });

  it.each([
    `{ resource.service.name = "SERVICE" && name = "pay" && status = error }`,
    `{ resource.service.name = "SERVICE" && span.a.negative = -42 }`,
    `{ resource.service.name = "SERVICE" && span.a.double = 0.1 && span.a.true = true }`,
    `{ resource.service.name = "SERVICE" && span.an.int > 9007199254740990 }`,
    `{ resource.service.name = "SERVICE" && .a.string =~ "grüße.*" && kind = server }`,
    `{ resource.service.name = "SERVICE" && statusMessage = "card declined" }`,
    `{ resource.service.name = "SERVICE" && event.event.rows = 7 }`,
    `{ resource.service.name = "SERVICE" && link.link.reason = "retry" }`,
    `{ instrumentation:name = "shop.lib" && resource.service.name = "SERVICE" }`,
  ])("is found by %s", async (query) => {
    expect(await foundIds(pintail, query.replaceAll("SERVICE", service))).toEqual([traceId]);
  });

  it("is not found by what it does not have", async () => {
    expect(
      await foundIds(pintail, `{ resource.service.name = "${service}" && kind = consumer }`),
    ).toEqual([]);
  });
});

describe("the other answers", () => {
  it("names the root in search results", async () => {
    const service = serviceOf("OTLP gRPC");
    const { traces } = await search(pintail, `{ resource.service.name = "${service}" }`);
    expect(traces.length).toBe(1);
    expect(traces[0]!.rootServiceName).toBe(service);
    expect(traces[0]!.rootTraceName).toBe("GET /checkout");
    expect(traces[0]!.spanSets?.[0]?.matched).toBe(3);
  });

  it("lists tags of every scope", async () => {
    const { scopes } = await pintail.json<{ scopes: { name: string; tags: string[] }[] }>(
      "/api/v2/search/tags",
    );
    const tags = new Map(scopes.map((scope) => [scope.name, scope.tags]));
    expect(tags.get("span")).toEqual(expect.arrayContaining(Object.keys(ATTRIBUTES)));
    expect(tags.get("resource")).toEqual(expect.arrayContaining(["service.name", "host.cpus"]));
    expect(tags.get("event")).toEqual(expect.arrayContaining(["event.rows", "exception.type"]));
    expect(tags.get("link")).toEqual(expect.arrayContaining(["link.reason", "link.count"]));
    const v1 = await pintail.json<{ tagNames: string[] }>("/api/search/tags");
    expect(v1.tagNames).toEqual(expect.arrayContaining(["a.string", "service.name"]));
  });

  it("lists values with their types", async () => {
    const services = Object.keys(exporters).map(serviceOf).sort();
    const values = async (tag: string) =>
      (
        await pintail.json<{ tagValues: { type: string; value: string }[] }>(
          `/api/v2/search/tag/${encodeURIComponent(tag)}/values`,
        )
      ).tagValues;
    const found = await values("resource.service.name");
    expect(found.map((v) => v.value).sort()).toEqual(services);
    expect(await values("span.an.int")).toEqual([{ type: "int", value: "9007199254740991" }]);
    expect(await values("span.a.true")).toEqual([{ type: "bool", value: "true" }]);
    expect(await values("span.a.double")).toEqual([{ type: "float", value: "0.1" }]);
    expect((await values("name")).map((v) => v.value).sort()).toEqual([
      "GET /checkout",
      "SELECT",
      "pay",
    ]);
  });
});

describe("@grpc/grpc-js with raw messages", () => {
  /** A request of exactly `byteCount` bytes. */
  function requestOf(byteCount: number, spanId: string, traceId: string): Uint8Array {
    const encode = (padding: number) => {
      const start = BigInt(Date.now()) * 1_000_000n;
      const span = aSpan({
        traceId: hex(traceId),
        spanId: hex(spanId),
        startTimeUnixNano: start,
        endTimeUnixNano: start + 1n,
        attributes: [attribute("padding", "x".repeat(padding))],
      });
      return encodeRequest(aRequest([span]));
    };
    // The lengths of the nested messages take four bytes each at both sizes.
    return encode(3_000_000 + byteCount - encode(3_000_000).length);
  }

  it.each([false, true])("takes a message of 3.9 MiB (gzip: %s)", async (gzip) => {
    const client = grpcClient(pintail.ports.otlpGrpc, { gzip });
    const traceId = gzip ? "aa000000000000000000000000000002" : "aa000000000000000000000000000001";
    const body = requestOf(Math.floor(3.9 * 1024 * 1024), "00000000000000a1", traceId);
    expect(body.length).toBe(Math.floor(3.9 * 1024 * 1024));
    const answer = await client.export(body);
    client.close();
    expect(answer.code).toBe(0);
    expect([...answer.body!]).toEqual([0x0a, 0x00]);
    const [group] = await resourceSpansOf(pintail, traceId);
    expect(group!.scopeSpans[0]!.spans.length).toBe(1);
  });

  it.each([false, true])("refuses a message over 4 MiB for good (gzip: %s)", async (gzip) => {
    const client = grpcClient(pintail.ports.otlpGrpc, { gzip });
    const traceId = "aa00000000000000000000000000000f";
    const exact = await client.export(requestOf(4_194_304, "00000000000000a2", traceId));
    const over = await client.export(requestOf(4_194_305, "00000000000000a3", traceId));
    client.close();
    expect(exact.code).toBe(0);
    expect(over.code).toBe(8);
    // With retry information a client would send it again and again.
    expect(over.details).toBeUndefined();
    const spans = (await resourceSpansOf(pintail, traceId)).flatMap((r) =>
      r.scopeSpans.flatMap((s) => s.spans),
    );
    expect(spans.map((span) => hexOfBase64(span.spanId))).toEqual(["00000000000000a2"]);
  });

  it("answers INTERNAL to bytes that are no message, and INVALID_ARGUMENT to bad ids", async () => {
    const client = grpcClient(pintail.ports.otlpGrpc);
    expect((await client.export(Uint8Array.of(0x0a, 0x05, 0x01))).code).toBe(13);
    const zero = encodeRequest(aRequest([aSpan({ traceId: new Uint8Array(16) })]));
    expect((await client.export(zero)).code).toBe(3);
    expect((await client.export(new Uint8Array(0))).code).toBe(0);
    client.close();
  });
});
