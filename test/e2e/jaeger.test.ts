import { createSocket } from "node:dgram";
import { gzipSync } from "node:zlib";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { credentials, Metadata, makeClientConstructor, type ServiceError } from "@grpc/grpc-js";
import { context, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import { JaegerExporter } from "@opentelemetry/exporter-jaeger";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  type SpanExporter,
} from "@opentelemetry/sdk-trace-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { QueryService } from "../../gen/jaeger/api_v3/query_service_pb.ts";
import type { JaegerTraceJson } from "../../src/api/wire/jaeger-trace.ts";
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
import { freePorts } from "../support/free-ports.ts";
import {
  aJaegerSpan,
  encodePostSpans,
  type JaegerSpan,
  type JaegerTag,
  protobufSpan,
  thriftBatch,
  thriftProcess,
  thriftSpan,
} from "../support/jaeger-builder.ts";
import { PintailProcess, type StartOptions } from "../support/pintail-process.ts";
import { encodeMessage, encodeStruct } from "../support/thrift-encoder.ts";

type JaegerAnswer = { readonly data: readonly JaegerTraceJson[] };

type JaegerPorts = { grpc: number; http: number; compact: number; binary: number };

let ports: JaegerPorts;
let options: StartOptions;
let pintail: PintailProcess;

beforeAll(async () => {
  const [grpc, http, compact, binary] = await freePorts(4);
  ports = { grpc: grpc!, http: http!, compact: compact!, binary: binary! };
  options = {
    extraYaml: "ingester: { max_block_duration: 1s }\n",
    receivers: `jaeger:
  protocols:
    grpc: { endpoint: "127.0.0.1:${ports.grpc}" }
    thrift_http: { endpoint: "127.0.0.1:${ports.http}" }
    thrift_compact: { endpoint: "127.0.0.1:${ports.compact}" }
    thrift_binary: { endpoint: "127.0.0.1:${ports.binary}" }
`,
  };
  pintail = await PintailProcess.start(options);
});
afterAll(() => pintail?.remove());

// Doors by name: what sends one batch there. Those over UDP know nothing of its fate.
const SENDERS = {
  gRPC: (spans, service) => postSpans(encodePostSpans(spans.map(protobufSpan), processOf(service))),
  "Thrift over HTTP": async (spans, service) => {
    const response = await postThrift(encodeStruct(batchOf(spans, service), "binary"));
    expect([response.status, await response.text()]).toEqual([202, ""]);
  },
  "the agent, compact": (spans, service) =>
    datagram(
      ports.compact,
      encodeMessage("emitBatch", [[1, "struct", batchOf(spans, service)]], "compact"),
    ),
  "the agent, binary": (spans, service) =>
    datagram(
      ports.binary,
      encodeMessage("emitBatch", [[1, "struct", batchOf(spans, service)]], "binary"),
    ),
} as const satisfies Record<
  string,
  (spans: readonly JaegerSpan[], service: string) => Promise<void>
>;

function processOf(service: string) {
  return {
    service,
    tags: [
      ["hostname", "node-1"],
      ["pid", 7n],
    ] as JaegerTag[],
  };
}

function batchOf(spans: readonly JaegerSpan[], service: string) {
  return thriftBatch(spans.map(thriftSpan), thriftProcess(processOf(service)));
}

async function postSpans(body: Uint8Array): Promise<void> {
  const { error } = await tryPostSpans(body);
  if (error !== null) throw error;
}

const raw = (bytes: Buffer): Buffer => bytes;
const Collector = makeClientConstructor(
  {
    postSpans: {
      path: "/jaeger.api_v2.CollectorService/PostSpans",
      requestStream: false,
      responseStream: false,
      requestSerialize: raw,
      requestDeserialize: raw,
      responseSerialize: raw,
      responseDeserialize: raw,
    },
  },
  "CollectorService",
);

function tryPostSpans(body: Uint8Array): Promise<{ error: ServiceError | null; answer?: Buffer }> {
  const client = new Collector(`127.0.0.1:${ports.grpc}`, credentials.createInsecure());
  return new Promise((resolve) => {
    client.postSpans!(
      Buffer.from(body),
      new Metadata(),
      (error: ServiceError | null, answer: Buffer) => {
        client.close();
        resolve({ error, answer });
      },
    );
  });
}

function postThrift(
  body: Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`http://127.0.0.1:${ports.http}/api/traces?format=jaeger.thrift`, {
    method: "POST",
    headers: { "content-type": "application/x-thrift", ...headers },
    body,
  });
}

function datagram(port: number, body: Uint8Array): Promise<void> {
  const socket = createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.send(body, port, "127.0.0.1", (error) => {
      socket.close();
      if (error) reject(error);
      else resolve();
    });
  });
}

/** A server span with a child that failed. */
function aTrace(traceId: string): JaegerSpan[] {
  const startMicros = BigInt(Date.now()) * 1000n;
  const root = "a1a2a3a4a5a6a7a8";
  return [
    aJaegerSpan({
      traceId,
      spanId: root,
      name: "GET /cart",
      startMicros,
      durationMicros: 5000n,
      tags: [
        ["span.kind", "server"],
        ["http.status_code", 200n],
        ["big", 2n ** 62n + 1n],
        ["ratio", 0.5],
        ["cached", true],
        ["blob", Uint8Array.of(1, 2, 3)],
      ],
      logs: [
        {
          micros: startMicros + 1n,
          fields: [
            ["event", "retry"],
            ["attempt", 2n],
          ],
        },
      ],
    }),
    aJaegerSpan({
      traceId,
      spanId: "b1b2b3b4b5b6b7b8",
      name: "SELECT",
      startMicros: startMicros + 10n,
      tags: [
        ["span.kind", "client"],
        ["error", true],
        ["otel.status_description", "gone"],
      ],
      references: [
        { type: "childOf", traceId, spanId: root },
        { type: "followsFrom", traceId: "c".repeat(32), spanId: "d".repeat(16) },
      ],
    }),
  ];
}

function byName(spans: readonly ReadSpan[]): Map<string | undefined, ReadSpan> {
  return new Map(spans.map((span) => [span.name, span]));
}

async function untilFound(traceId: string, count: number): Promise<ReadSpan[]> {
  const read = () => spansOf(pintail, traceId);
  return eventually(`trace ${traceId}`, read, (spans) => spans.length === count);
}

const traceIdOf = (name: string) => String(1 + Object.keys(SENDERS).indexOf(name)).repeat(32);

describe.each(Object.entries(SENDERS))("a trace sent to %s", (name, send) => {
  const service = `shop via ${name}`;
  const traceId = traceIdOf(name);
  let spans: Map<string | undefined, ReadSpan>;

  beforeAll(async () => {
    await send(aTrace(traceId), service);
    // Over gRPC and HTTP it is there when the answer is.
    const isAnswered = !name.startsWith("the agent");
    spans = byName(isAnswered ? await spansOf(pintail, traceId) : await untilFound(traceId, 2));
  });

  it("is given back by its id", async () => {
    expect(spans.size).toBe(2);
    const [root, query] = [spans.get("GET /cart")!, spans.get("SELECT")!];
    expect(hexOfBase64(root.traceId)).toBe(traceId);
    expect(root).toMatchObject({ kind: "SPAN_KIND_SERVER" });
    expect(root.parentSpanId).toBeUndefined();
    expect(BigInt(root.endTimeUnixNano!) - BigInt(root.startTimeUnixNano!)).toBe(5_000_000n);
    expect(attributeOf(root, "big")).toEqual({ intValue: String(2n ** 62n + 1n) });
    expect(attributeOf(root, "blob")).toEqual({ bytesValue: "AQID" });
    expect(attributeOf(root, "span.kind")).toBeUndefined();
    expect(root.events).toMatchObject([{ name: "retry" }]);
    expect(query).toMatchObject({
      parentSpanId: root.spanId,
      kind: "SPAN_KIND_CLIENT",
      status: { code: "STATUS_CODE_ERROR", message: "gone" },
    });
    expect(query.links?.map((link) => hexOfBase64(link.traceId))).toEqual(["c".repeat(32)]);
    const [group] = await resourceSpansOf(pintail, traceId);
    expect(attributeOf(group!.resource, "host.name")).toEqual({ stringValue: "node-1" });
    expect(attributeOf(group!.resource, "pid")).toEqual({ intValue: "7" });
  });

  it.each([
    `{ resource.service.name = "SERVICE" && status = error && statusMessage = "gone" }`,
    `{ resource.service.name = "SERVICE" && span.http.status_code = 200 && kind = server }`,
    `{ resource.service.name = "SERVICE" && span.big > 4611686018427387904 && .cached = true }`,
    `{ resource.service.name = "SERVICE" && event:name = "retry" && event.attempt = 2 }`,
    `{ resource.service.name = "SERVICE" && link.opentracing.ref_type = "follows_from" }`,
    `{ resource.service.name = "SERVICE" && name = "GET /cart" } > { name = "SELECT" }`,
  ])("is found by %s", async (query) => {
    expect(await foundIds(pintail, query.replaceAll("SERVICE", service))).toEqual([traceId]);
  });
});

describe("Jaeger's own query API", () => {
  const service = "read by Jaeger";
  const traceId = "a".repeat(32);
  const api = "/jaeger/api";
  let sent: JaegerSpan[];

  beforeAll(async () => {
    sent = aTrace(traceId);
    await SENDERS.gRPC(sent, service);
  });

  it("gives a trace back as it was sent", async () => {
    const { data } = (await pintail.json(`${api}/traces/${traceId}`)) as JaegerAnswer;
    expect(data.length).toBe(1);
    const { spans, processes } = data[0]!;
    expect(processes).toEqual({
      p1: {
        serviceName: service,
        tags: expect.arrayContaining([
          // As the receiver names it.
          { key: "host.name", type: "string", value: "node-1" },
          { key: "pid", type: "int64", value: 7 },
        ]),
      },
    });
    const [root, query] = [sent[0]!, sent[1]!];
    expect(spans.map(({ operationName }) => operationName)).toEqual([root.name, query.name]);
    expect(spans[0]).toMatchObject({
      traceID: traceId,
      spanID: root.spanId,
      references: [],
      startTime: Number(root.startMicros),
      duration: Number(root.durationMicros),
      processID: "p1",
    });
    expect(spans[0]!.tags).toEqual(
      expect.arrayContaining([
        { key: "span.kind", type: "string", value: "server" },
        { key: "http.status_code", type: "int64", value: 200 },
        { key: "big", type: "int64", value: String(2n ** 62n + 1n) },
        { key: "ratio", type: "float64", value: 0.5 },
        { key: "cached", type: "bool", value: true },
        { key: "blob", type: "binary", value: "AQID" },
      ]),
    );
    expect(spans[0]!.tags.length).toBe(root.tags.length);
    expect(spans[0]!.logs).toEqual([
      {
        timestamp: Number(root.startMicros) + 1,
        fields: [
          { key: "event", type: "string", value: "retry" },
          { key: "attempt", type: "int64", value: 2 },
        ],
      },
    ]);
    expect(spans[1]!.references).toEqual([
      { refType: "CHILD_OF", traceID: traceId, spanID: root.spanId },
      { refType: "FOLLOWS_FROM", traceID: "c".repeat(32), spanID: "d".repeat(16) },
    ]);
    expect(spans[1]!.tags).toEqual(
      expect.arrayContaining([
        { key: "error", type: "bool", value: true },
        { key: "otel.status_description", type: "string", value: "gone" },
      ]),
    );
  });

  it("lists services and operations, and finds the trace", async () => {
    const name = encodeURIComponent(service);
    const dataOf = async (path: string) => ((await pintail.json(path)) as JaegerAnswer).data;
    expect(await dataOf(`${api}/services`)).toContain(service);
    expect(await dataOf(`${api}/services/${name}/operations`)).toEqual(["GET /cart", "SELECT"]);
    const found = async (params: string) =>
      (await dataOf(`${api}/traces?service=${name}&${params}`)).map(({ traceID }) => traceID);
    const tags = encodeURIComponent('{"error":"true"}');
    expect(await found(`lookback=1h&limit=20&tags=${tags}`)).toEqual([traceId]);
    expect(await found("operation=SELECT&minDuration=1h")).toEqual([]);
    expect(await dataOf(`${api}/dependencies?endTs=${Date.now()}`)).toBeInstanceOf(Array);
    const { services } = (await pintail.json(`${api}/v3/services`)) as { services: string[] };
    expect(services).toContain(service);
  });

  it.each(["http", "grpc"] as const)("answers gRPC on the %s port", async (door) => {
    const baseUrl = `http://127.0.0.1:${pintail.ports[door]}`;
    const client = createClient(QueryService, createGrpcTransport({ baseUrl }));
    expect((await client.getServices({})).services).toContain(service);
    const names: string[] = [];
    for await (const { resourceSpans } of client.getTrace({ traceId })) {
      for (const { scopeSpans } of resourceSpans) {
        for (const { spans } of scopeSpans) names.push(...spans.map((span) => span.name));
      }
    }
    expect(names).toEqual(["GET /cart", "SELECT"]);
  });
});

/** What the OpenTelemetry SDK's exporter for Jaeger sends. Returns the trace's id. */
async function sendBySdk(service: string, exporter: JaegerExporter): Promise<string> {
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ "service.name": service, region: "eu" }),
    // The exporter is of an SDK some versions apart.
    spanProcessors: [new BatchSpanProcessor(exporter as unknown as SpanExporter)],
  });
  const tracer: Tracer = provider.getTracer("shop.lib", "1.2.3");
  const root = tracer.startSpan("GET /checkout", { kind: SpanKind.SERVER, attributes: { n: 1.5 } });
  const inRoot = trace.setSpan(context.active(), root);
  const pay = tracer.startSpan("pay", { kind: SpanKind.PRODUCER }, inRoot);
  pay.addEvent("declined", { code: 51 });
  pay.setStatus({ code: SpanStatusCode.ERROR, message: "card declined" });
  pay.end();
  root.setStatus({ code: SpanStatusCode.OK });
  root.end();
  await provider.forceFlush();
  await provider.shutdown();
  return root.spanContext().traceId;
}

describe.each([
  ["HTTP", () => new JaegerExporter({ endpoint: `http://127.0.0.1:${ports.http}/api/traces` })],
  ["UDP", () => new JaegerExporter({ host: "127.0.0.1", port: ports.binary })],
])("the OpenTelemetry SDK's Jaeger exporter over %s", (way, newExporter) => {
  const service = `checkout over ${way}`;

  it("gives spans back by id and by TraceQL", async () => {
    const traceId = await sendBySdk(service, newExporter());
    const spans = byName(await untilFound(traceId, 2));
    const [root, pay] = [spans.get("GET /checkout")!, spans.get("pay")!];
    expect(root).toMatchObject({ kind: "SPAN_KIND_SERVER", status: { code: "STATUS_CODE_OK" } });
    expect(attributeOf(root, "n")).toEqual({ doubleValue: 1.5 });
    expect(attributeOf(root, "otel.library.name")).toEqual({ stringValue: "shop.lib" });
    expect(pay).toMatchObject({
      parentSpanId: root.spanId,
      kind: "SPAN_KIND_PRODUCER",
      status: { code: "STATUS_CODE_ERROR", message: "card declined" },
      events: [{ name: "declined" }],
    });
    // This exporter puts what it knows of the resource, but for the service's name, on each span.
    expect(attributeOf(pay, "region")).toEqual({ stringValue: "eu" });
    const [group] = await resourceSpansOf(pintail, traceId);
    expect(attributeOf(group!.resource, "service.name")).toEqual({ stringValue: service });
    const query = `{ resource.service.name = "${service}" && name = "pay" && status = error }`;
    expect(await foundIds(pintail, query)).toEqual([traceId]);
  });
});

describe("the answers of the doors", () => {
  it("of gRPC are an empty message, INTERNAL or INVALID_ARGUMENT", async () => {
    expect(await tryPostSpans(encodePostSpans([]))).toMatchObject({
      error: null,
      answer: Buffer.alloc(0),
    });
    const malformed = await tryPostSpans(Uint8Array.of(0x0a, 0x05, 0x01));
    expect(malformed.error?.code).toBe(13);
    const noId = await tryPostSpans(encodePostSpans([{ operationName: "x" }]));
    expect(noId.error?.code).toBe(3);
  });

  it("of HTTP are 202, 400 or 500; compressed bodies are taken", async () => {
    const traceId = "e".repeat(32);
    const body = encodeStruct(batchOf([aJaegerSpan({ traceId })], "gzip"), "binary");
    const gzip = new Uint8Array(gzipSync(body));
    expect((await postThrift(gzip, { "content-encoding": "gzip" })).status).toBe(202);
    expect((await spansOf(pintail, traceId)).length).toBe(1);
    const cut = await postThrift(body.slice(0, 100));
    expect([cut.status, await cut.text()]).toEqual([
      400,
      expect.stringMatching(/^cannot decode body: /),
    ]);
    expect((await postThrift(body, { "content-encoding": "gzip" })).status).toBe(400);
    expect((await postThrift(body, { "content-type": "text/plain" })).status).toBe(400);
    const noId = encodeStruct(batchOf([aJaegerSpan({ spanId: "0" })], "bad"), "binary");
    const refused = await postThrift(noId);
    expect([refused.status, await refused.text()]).toEqual([
      500,
      expect.stringMatching(/^Cannot submit Jaeger batch: span ids must be/),
    ]);
    const bomb = new Uint8Array(gzipSync(Buffer.alloc(30 * 1024 * 1024)));
    expect((await postThrift(bomb, { "content-encoding": "gzip" })).status).toBe(500);
  });

  it("are counted by receiver and transport", async () => {
    await datagram(ports.compact, Uint8Array.of(1, 2, 3));
    const transports = ["grpc", "collector_http", "udp_thrift_compact", "udp_thrift_binary"];
    for (const transport of transports) {
      const labels = `receiver="jaeger/jaeger_receiver",transport="${transport}"`;
      expect(await metric(pintail, "tempo_receiver_accepted_spans", labels)).toBeGreaterThan(1);
    }
    const refused = () =>
      metric(pintail, "pintail_receiver_refused_requests_total", "udp_thrift_compact");
    await eventually("a refused datagram", refused, (count) => count === 1);
    expect(await metric(pintail, "tempo_discarded_spans_total", 'reason="invalid_span_id"')).toBe(
      1,
    );
  });
});

it("what was acknowledged outlives a crash, and the making of larger segments", async () => {
  const ids = Object.keys(SENDERS).map(traceIdOf);
  const read = async () =>
    Promise.all(ids.map(async (id) => normalTrace(await resourceSpansOf(pintail, id))));
  const before = await read();
  const late = "f".repeat(32);
  await SENDERS["Thrift over HTTP"](aTrace(late), "late");
  await pintail.kill();
  pintail = await PintailProcess.start({ ...options, dir: pintail.dir });
  expect((await spansOf(pintail, late)).length).toBe(2);
  expect(await read()).toEqual(before);
  await eventually(
    "all in L1",
    async () => [
      await metric(pintail, "pintail_segments", 'level="0"'),
      await metric(pintail, "pintail_segments", 'level="1"'),
    ],
    ([small, large]) => small === 0 && large! > 0,
  );
  expect(await read()).toEqual(before);
}, 60_000);
