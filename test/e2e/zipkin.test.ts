import { gzipSync } from "node:zlib";
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { ZipkinExporter } from "@opentelemetry/exporter-zipkin";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import zipkin from "zipkin";
import { HttpLogger } from "zipkin-transport-http";
import {
  attributeOf,
  eventually,
  foundIds,
  hexOfBase64,
  metric,
  normalTrace,
  type ReadSpan,
  resourceSpansOf,
  spansOf,
} from "../support/e2e-answers.ts";
import { encodedBodies } from "../support/e2e-encodings.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import {
  aZipkinSpan,
  json,
  v1Thrift,
  v2Protobuf,
  type ZipkinSpan,
} from "../support/zipkin-builder.ts";

const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/x-protobuf";
const THRIFT_TYPE = "application/x-thrift";
const INTERNAL_ERROR = '"Internal Server Error"';

let serial = 0;

function newTraceId(): string {
  return (++serial).toString(16).padStart(32, "d");
}

/** A span of now. */
function spanOf(traceId: string, over: Partial<ZipkinSpan> = {}): ZipkinSpan {
  return aZipkinSpan({ traceId, timestamp: Date.now() * 1000, ...over });
}

function send(
  pintail: PintailProcess,
  body: Uint8Array,
  headers: Record<string, string> = { "content-type": JSON_TYPE },
  path = "/api/v2/spans",
): Promise<Response> {
  return fetch(`http://127.0.0.1:${pintail.ports.zipkin}${path}`, {
    method: "POST",
    headers,
    body: body as Uint8Array<ArrayBuffer>,
  });
}

async function answerOf(response: Response): Promise<[number, string]> {
  return [response.status, await response.text()];
}

function named(spans: readonly ReadSpan[], name: string): ReadSpan {
  const span = spans.find((each) => each.name === name);
  if (span === undefined) throw new Error(`no span ${name}`);
  return span;
}

describe("one tenant", () => {
  let pintail: PintailProcess;

  beforeAll(async () => {
    pintail = await PintailProcess.start({ zipkin: "max_request_body_size: 100000" });
  });

  afterAll(() => pintail?.remove());

  const endpoint = (version: string) =>
    `http://127.0.0.1:${pintail.ports.zipkin}/api/${version}/spans`;

  describe("the OpenTelemetry SDK's exporter", () => {
    let traceId: string;

    beforeAll(async () => {
      const provider = new NodeTracerProvider({
        resource: resourceFromAttributes({ "service.name": "otel shop", "host.name": "h1" }),
        spanProcessors: [new BatchSpanProcessor(new ZipkinExporter({ url: endpoint("v2") }))],
      });
      const tracer = provider.getTracer("shop.lib", "1.2.3");
      const root = tracer.startSpan("GET /checkout", {
        kind: SpanKind.SERVER,
        attributes: { "http.path": "/ä", items: 3 },
      });
      const inRoot = trace.setSpan(context.active(), root);
      const pay = tracer.startSpan("pay", { kind: SpanKind.CLIENT }, inRoot);
      pay.setAttribute("peer.service", "bank");
      pay.addEvent("declined");
      pay.setStatus({ code: SpanStatusCode.ERROR, message: "card declined" });
      pay.end();
      const local = tracer.startSpan("render", {}, inRoot);
      local.setStatus({ code: SpanStatusCode.OK });
      local.end();
      root.end();
      traceId = root.spanContext().traceId;
      await provider.forceFlush();
      await provider.shutdown();
    });

    it("comes back by trace id with kinds, parents, status, events and tags", async () => {
      const [group] = await resourceSpansOf(pintail, traceId);
      const spans = await spansOf(pintail, traceId);
      expect(spans.length).toBe(3);
      const [root, pay, render] = ["GET /checkout", "pay", "render"].map((n) => named(spans, n));
      expect(attributeOf(group!.resource, "service.name")).toEqual({ stringValue: "otel shop" });
      expect(attributeOf(group!.resource, "host.name")).toEqual({ stringValue: "h1" });
      expect([root!.kind, pay!.kind]).toEqual(["SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"]);
      expect([pay!.parentSpanId, render!.parentSpanId]).toEqual([root!.spanId, root!.spanId]);
      expect(hexOfBase64(root!.traceId)).toBe(traceId);
      expect(pay!.status?.code).toBe("STATUS_CODE_ERROR");
      expect(render!.status?.code).toBe("STATUS_CODE_OK");
      expect(pay!.events?.map((e) => e.name)).toEqual(["declined"]);
      expect(attributeOf(root!, "http.path")).toEqual({ stringValue: "/ä" });
      expect(attributeOf(pay!, "peer.service")).toEqual({ stringValue: "bank" });
      expect(attributeOf(pay!, "error")).toEqual({ stringValue: "card declined" });
      const [start, end] = [BigInt(root!.startTimeUnixNano!), BigInt(root!.endTimeUnixNano!)];
      expect(end >= start && end - start < 60_000_000_000n).toBe(true);
    });

    it.each([
      `{ resource.service.name = "otel shop" && name = "pay" && status = error }`,
      `{ span.http.path = "/ä" && kind = server && resource.host.name = "h1" }`,
      `{ name = "GET /checkout" } > { span.peer.service = "bank" }`,
      `{ event:name = "declined" && resource.service.name = "otel shop" }`,
    ])("is found by %s", async (query) => {
      expect(await foundIds(pintail, query)).toEqual([traceId]);
    });
  });

  describe.each([
    ["v1", zipkin.jsonEncoder.JSON_V1],
    ["v2", zipkin.jsonEncoder.JSON_V2],
  ])("zipkin-js in JSON %s", (version, jsonEncoder) => {
    const service = `js ${version}`;
    let traceId: string;

    beforeAll(async () => {
      const logger = new HttpLogger({ endpoint: endpoint(version), jsonEncoder, httpInterval: 20 });
      const recorder = new zipkin.BatchRecorder({ logger });
      const tracer = new zipkin.Tracer({
        ctxImpl: new zipkin.ExplicitContext(),
        recorder,
        localServiceName: service,
        traceId128Bit: true,
      });
      const { Annotation } = zipkin;
      const id = tracer.createRootId();
      traceId = id.traceId;
      tracer.letId(id, () => {
        tracer.recordAnnotation(new Annotation.ClientSend());
        tracer.recordServiceName(service);
        tracer.recordRpc("get");
        tracer.recordBinary("http.path", "/ä");
        tracer.recordMessage("retried");
        const host = new zipkin.InetAddress("10.1.2.3");
        tracer.recordAnnotation(new Annotation.ServerAddr({ serviceName: "db", host, port: 5432 }));
        tracer.recordBinary("error", "boom");
        tracer.recordAnnotation(new Annotation.ClientRecv());
      });
      await eventually(
        "the span's arrival",
        () => spansOf(pintail, traceId),
        (spans) => spans.length > 0,
      );
    });

    it("comes back by trace id", async () => {
      const [group] = await resourceSpansOf(pintail, traceId);
      const [span] = await spansOf(pintail, traceId);
      expect(attributeOf(group!.resource, "service.name")).toEqual({ stringValue: service });
      expect(span).toMatchObject({ name: "get", kind: "SPAN_KIND_CLIENT" });
      expect(hexOfBase64(span!.traceId)).toBe(traceId);
      expect(span!.status?.code).toBe("STATUS_CODE_ERROR");
      expect(attributeOf(span!, "http.path")).toEqual({ stringValue: "/ä" });
      expect(span!.events?.map((e) => e.name)).toEqual(["retried"]);
      if (version === "v1") {
        expect(attributeOf(span!, "sa")).toEqual({ boolValue: true });
        expect(span!.status?.message).toBe("boom");
      } else {
        expect(attributeOf(span!, "peer.service")).toEqual({ stringValue: "db" });
        expect(attributeOf(span!, "net.peer.ip")).toEqual({ stringValue: "10.1.2.3" });
        expect(attributeOf(span!, "net.peer.port")).toEqual({ intValue: "5432" });
      }
    });

    it("is found by TraceQL", async () => {
      const query = `{ resource.service.name = "${service}" && kind = client && status = error }`;
      expect(await foundIds(pintail, query)).toEqual([traceId]);
    });
  });

  it("Apache Thrift's encoding of v1 comes back and is found", async () => {
    const host = { service: "thrift shop", ipv4: 0x0a010203, port: 8080 };
    const micros = Date.now() * 1000;
    const body = v1Thrift([
      {
        traceIdHigh: "00000000000000aa",
        traceId: "00000000000000ab",
        id: "00000000000000ac",
        name: "get",
        timestamp: micros,
        duration: 1000,
        annotations: [{ timestamp: micros, value: "sr", host }],
        binaryAnnotations: [
          { key: "n", value: { type: "i64", bytes: Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 0) } },
        ],
      },
    ]);
    const type = { "content-type": THRIFT_TYPE };
    expect(await answerOf(await send(pintail, body, type, "/api/v1/spans"))).toEqual([202, ""]);
    const query = `{ resource.ipv4 = "10.1.2.3" && span.n = 256 && kind = server }`;
    expect(await foundIds(pintail, query)).toEqual(["00000000000000aa00000000000000ab"]);
  });

  it("protobuf and JSON of the same spans are the same trace", async () => {
    const make = (traceId: string) => [
      spanOf(traceId, {
        timestamp: 1_767_225_600_000_000,
        kind: "SERVER",
        annotations: [{ timestamp: 1_767_225_600_000_001, value: 'e|{"a":1}|2' }],
        remoteEndpoint: { serviceName: "client", ipv6: "2001:db8::1", port: 1 },
        tags: { "http.path": "/", "host.name": "h", "otel.library.name": "lib" },
      }),
      spanOf(traceId, { id: "00000000000000cc", parentId: "b7ad6b7169203331" }),
    ];
    const same = newTraceId();
    const [first, second] = [newTraceId(), newTraceId()];
    await send(pintail, json(make(first).map((s) => ({ ...s, timestamp: 1_767_225_600_000_000 }))));
    await send(
      pintail,
      v2Protobuf(make(second).map((s) => ({ ...s, timestamp: 1_767_225_600_000_000 }))),
      { "content-type": PROTOBUF_TYPE },
    );
    const rows = async (traceId: string) =>
      normalTrace(await resourceSpansOf(pintail, traceId)).map((row) =>
        row.replaceAll(Buffer.from(traceId, "hex").toString("base64"), same),
      );
    expect((await rows(first)).length).toBe(2);
    expect(await rows(second)).toEqual(await rows(first));
  });

  it("a trace is read through Zipkin's own API as it was sent", async () => {
    const traceId = newTraceId();
    const service = `zipkin ui ${traceId}`;
    const micros = Date.now() * 1000;
    const root = spanOf(traceId, {
      kind: "SERVER",
      timestamp: micros,
      localEndpoint: { serviceName: service, ipv4: "10.0.0.1", port: 8080 },
      annotations: [{ timestamp: micros + 1, value: "ws" }],
      tags: { "http.path": "/" },
    });
    expect((await send(pintail, json([root]))).status).toBe(202);
    const api = "/zipkin/api/v2";
    expect(await pintail.json(`${api}/trace/${traceId}`)).toEqual([root]);
    const serviceName = encodeURIComponent(service);
    expect(await pintail.json(`${api}/traces?serviceName=${serviceName}`)).toEqual([[root]]);
    expect(await pintail.json(`${api}/services`)).toContain(service);
    expect(await pintail.json(`${api}/spans?serviceName=${serviceName}`)).toEqual(["get /"]);
    expect(await pintail.json(`${api}/autocompleteKeys`)).toContain("http.path");
    expect(await pintail.json(`${api}/dependencies?endTs=${Date.now()}`)).toBeInstanceOf(Array);
  });

  it("a client and a server span of one id are both kept", async () => {
    const traceId = newTraceId();
    const spans = [
      spanOf(traceId, { kind: "CLIENT" }),
      spanOf(traceId, { kind: "SERVER", shared: true, localEndpoint: { serviceName: "db" } }),
    ];
    expect((await send(pintail, json(spans))).status).toBe(202);
    const kinds = (await spansOf(pintail, traceId)).map((span) => span.kind);
    expect(kinds.sort()).toEqual(["SPAN_KIND_CLIENT", "SPAN_KIND_SERVER"]);
  });

  it.each(encodedBodies(new Uint8Array(1)).map(([name]) => name))("takes %s", async (name) => {
    for (const [type, body] of [
      [JSON_TYPE, json],
      [PROTOBUF_TYPE, v2Protobuf],
    ] as const) {
      const traceId = newTraceId();
      const [, encoding, bytes] = encodedBodies(body([spanOf(traceId)])).find(([n]) => n === name)!;
      const headers = { "content-type": type, "content-encoding": encoding };
      expect((await send(pintail, bytes, headers)).status).toBe(202);
      expect((await spansOf(pintail, traceId)).length).toBe(1);
    }
  });

  it("refuses what is no list of spans with 400, and keeps nothing of it", async () => {
    const traceId = newTraceId();
    const good = JSON.stringify(spanOf(traceId));
    const text = (body: string) => new TextEncoder().encode(body);
    const before = await metric(pintail, "tempo_receiver_refused_spans", "http_v2_json");
    for (const body of [`[${good},{}]`, `[${good}`, `[${good}]x`, "{}", ""]) {
      const response = await send(pintail, text(body));
      expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
      expect(response.status).toBe(400);
    }
    expect(
      (await send(pintail, gzipSync(text("x")).subarray(0, 9), { "content-encoding": "gzip" }))
        .status,
    ).toBe(400);
    expect((await send(pintail, text("[]"), { "content-encoding": "br" })).status).toBe(400);
    const thrift = Uint8Array.of(12, 127, 255, 255, 255);
    const type = { "content-type": THRIFT_TYPE };
    expect((await send(pintail, thrift, type, "/api/v1/spans")).status).toBe(400);
    expect(await spansOf(pintail, traceId)).toEqual([]);
    const after = await metric(pintail, "tempo_receiver_refused_spans", "http_v2_json");
    expect(after).toBeGreaterThan(before);
  });

  it("refuses bodies over the limit with 400, compressed ones too", async () => {
    const large = json([spanOf(newTraceId(), { name: "x".repeat(100_000) })]);
    expect((await send(pintail, large)).status).toBe(400);
    const bomb = gzipSync(new Uint8Array(20_000_000).fill(0x20));
    const [status, text] = await answerOf(
      await send(pintail, bomb.subarray(0, 99_000), { "content-encoding": "gzip" }),
    );
    expect([status, text.includes("100000")]).toEqual([400, true]);
    expect(pintail.alive).toBe(true);
  });

  it("refuses a zero trace id with 500, as Tempo does behind its decoder", async () => {
    const body = json([spanOf("0".repeat(32))]);
    expect(await answerOf(await send(pintail, body))).toEqual([500, INTERNAL_ERROR]);
  });

  it("counts spans by transport", async () => {
    const count = (transport: string) =>
      metric(pintail, "tempo_receiver_accepted_spans", `transport="${transport}"`);
    const before = await count("http_v2_proto");
    await send(pintail, v2Protobuf([spanOf(newTraceId()), spanOf(newTraceId())]), {
      "content-type": PROTOBUF_TYPE,
    });
    expect((await count("http_v2_proto")) - before).toBe(2);
    expect(await count("http_v1_thrift")).toBe(1);
  });

  it("what was accepted outlives a crash, with parsed tags as they were", async () => {
    const dir = pintail.dir;
    const [ids, thriftId] = [[newTraceId(), newTraceId()], "000000000000000000000000000000ee"];
    await send(pintail, json([spanOf(ids[0]!, { tags: { n: "12" } })]));
    await send(pintail, v2Protobuf([spanOf(ids[1]!)]), { "content-type": PROTOBUF_TYPE });
    const body = v1Thrift([{ traceId: "00000000000000ee", id: "00000000000000ef" }]);
    await send(pintail, body, { "content-type": THRIFT_TYPE }, "/api/v1/spans");
    const v1 = { traceId: newTraceId(), id: "00000000000000f0", name: "timeless" };
    await send(pintail, json([v1]), { "content-type": JSON_TYPE }, "/api/v1/spans");
    const [timeless] = await spansOf(pintail, v1.traceId);
    const startedAt = Number(BigInt(timeless!.startTimeUnixNano!) / 1_000_000n);
    expect(Math.abs(startedAt - Date.now())).toBeLessThan(60_000);
    await pintail.kill();
    // Tags are parsed from now on; those of the log are what they were when it was written.
    pintail = await PintailProcess.start({ dir, zipkin: "parse_string_tags: true" });
    const later = newTraceId();
    await send(pintail, json([spanOf(later, { tags: { n: "12" } })]));
    // The time of receipt stands for the time that is missing, and is not the time of decoding.
    expect(await spansOf(pintail, v1.traceId)).toEqual([timeless]);
    const [span] = await spansOf(pintail, ids[0]!);
    expect(attributeOf(span!, "n")).toEqual({ stringValue: "12" });
    expect(attributeOf((await spansOf(pintail, later))[0]!, "n")).toEqual({ intValue: "12" });
    expect((await spansOf(pintail, ids[1]!)).length).toBe(1);
    expect((await spansOf(pintail, thriftId)).length).toBe(1);
  });
});

describe("several tenants", () => {
  let pintail: PintailProcess;

  beforeAll(async () => {
    pintail = await PintailProcess.start({
      zipkin: "",
      extraYaml: `multitenancy_enabled: true
overrides:
  defaults:
    ingestion: { rate_limit_bytes: 1000, burst_size_bytes: 20000 }
`,
    });
  });

  afterAll(() => pintail?.remove());

  const of = (tenant: string) => ({ "content-type": JSON_TYPE, "x-scope-orgid": tenant });

  it("have traces of their own under one id", async () => {
    const traceId = newTraceId();
    for (const tenant of ["a", "b"]) {
      const body = json([spanOf(traceId, { name: tenant })]);
      expect((await send(pintail, body, of(tenant))).status).toBe(202);
    }
    for (const tenant of ["a", "b"]) {
      const spans = await spansOf(pintail, traceId, { "x-scope-orgid": tenant });
      expect(spans.map((span) => span.name)).toEqual([tenant]);
    }
  });

  it("must be named and valid: 500 otherwise", async () => {
    const body = json([spanOf(newTraceId())]);
    for (const headers of [{ "content-type": JSON_TYPE }, of("a/b"), of("a|b"), of("")]) {
      expect(await answerOf(await send(pintail, body, headers))).toEqual([500, INTERNAL_ERROR]);
    }
  });

  it("get 500 over their rate, without spans kept", async () => {
    const traceId = newTraceId();
    const body = json([spanOf(traceId, { name: "x".repeat(30_000) })]);
    expect(await answerOf(await send(pintail, body, of("c")))).toEqual([500, INTERNAL_ERROR]);
    expect(await spansOf(pintail, traceId, { "x-scope-orgid": "c" })).toEqual([]);
    expect(await metric(pintail, "tempo_discarded_spans_total", 'reason="rate_limited"')).toBe(1);
  });
});
