import { connect as connectHttp2 } from "node:http2";
import { gunzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { PintailError } from "../../../src/errors.ts";
import { BodyEncoding, BodyFormat } from "../../../src/ingest/ingest.ts";
import { EXPORT_PATH, otlpGrpcService } from "../../../src/receivers/otlp/grpc.ts";
import { otlpHttpRoutes } from "../../../src/receivers/otlp/http.ts";
import { frameOf } from "../../../src/runtime/grpc/frames.ts";
import { Sockets } from "../../runtime/support.ts";
import { FakeIngest, otlpDeps } from "./support.ts";

const SETTINGS = {
  endpoint: "localhost:4317",
  transport: "tcp",
  tls: undefined,
  maxRecvMessageBytes: 4 * 1024 * 1024,
  maxConcurrentStreams: 0,
} as const;
const BODY = Buffer.from([1, 2, 3]);

const sockets = new Sockets();
let ingest: FakeIngest;
beforeEach(() => {
  ingest = new FakeIngest();
});
afterEach(() => sockets.closeAll());

async function serve(multitenancyEnabled = false) {
  const deps = otlpDeps(multitenancyEnabled);
  const { port } = await sockets.listen({ grpc: otlpGrpcService(ingest, SETTINGS, deps) });
  return { port, deps };
}

describe("an accepted request", () => {
  test("is pushed as it came", async () => {
    const { port, deps } = await serve();
    const result = await sockets.grpc(port).unary(EXPORT_PATH, BODY);
    expect(result).toEqual({ response: Buffer.from([0x0a, 0x00]) });
    expect(ingest.pushes).toMatchObject([
      {
        tenant: "single-tenant",
        format: BodyFormat.otlpProtobuf,
        encoding: BodyEncoding.identity,
        maxDecodedBytes: 4 * 1024 * 1024,
      },
    ]);
    expect(Buffer.from(ingest.pushes[0]?.body ?? [])).toEqual(BODY);
    expect(deps.metrics.render()).toContain(
      'tempo_receiver_accepted_spans{receiver="otlp/otlp_receiver",transport="grpc"} 2',
    );
    expect(deps.metrics.render()).toContain(
      'route="opentelemetry_proto_collector_trace_v1_traceservice_export",status_code="success"',
    );
  });

  test("in gzip is passed on compressed", async () => {
    const { port } = await serve();
    const client = sockets.grpc(port, {
      "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
    });
    await client.unary(EXPORT_PATH, Buffer.alloc(5000, 1));
    expect(ingest.pushes[0]?.encoding).toBe(BodyEncoding.gzip);
    expect(gunzipSync(ingest.pushes[0]?.body ?? BODY)).toEqual(Buffer.alloc(5000, 1));
  });

  test.each([
    ["zstd", BodyEncoding.zstd],
    ["snappy", BodyEncoding.snappyFramed],
  ])("in %s is passed on compressed", async (name, encoding) => {
    const { port } = await serve();
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": EXPORT_PATH,
      "content-type": "application/grpc",
      "grpc-encoding": name,
    });
    stream.end(frameOf(BODY, true));
    stream.resume();
    await new Promise((resolve) => stream.once("end", resolve));
    session.destroy();
    expect(ingest.pushes[0]?.encoding).toBe(encoding);
  });

  test("without a byte needs no tenant", async () => {
    const { port } = await serve(true);
    expect(await sockets.grpc(port).unary(EXPORT_PATH, Buffer.alloc(0))).toEqual({
      response: Buffer.from([0x0a, 0x00]),
    });
    expect(ingest.pushes).toEqual([]);
  });
});

describe("a refused request", () => {
  test.each([
    [new PintailError("malformed", "bad varint"), 13],
    [new PintailError("invalid", "bad id"), 3],
    [new PintailError("too_large", "too large"), 8],
    [new PintailError("unavailable", "stopping"), 14],
    [new Error("secret"), 14],
  ])("with %s gets code %i without a hint", async (failure, code) => {
    ingest.failure = failure;
    const { port } = await serve();
    const { error } = await sockets.grpc(port).unary(EXPORT_PATH, BODY);
    expect(error?.code).toBe(code);
    expect(error?.details).not.toContain("secret");
    expect(error?.metadata.get("grpc-status-details-bin")).toEqual([]);
  });

  test.each(["limited", "unavailable"] as const)(
    "%s with a hint carries RetryInfo",
    async (kind) => {
      ingest.failure = new PintailError(kind, "later", { retryAfterMs: 5000 });
      const { port } = await serve();
      const { error } = await sockets.grpc(port).unary(EXPORT_PATH, BODY);
      expect([error?.code, error?.details]).toEqual([8, "later"]);
      const [bytes] = error?.metadata.get("grpc-status-details-bin") ?? [];
      const status = fromBinary(StatusSchema, bytes as Buffer);
      expect([status.code, status.message]).toEqual([8, "later"]);
      const retry = fromBinary(RetryInfoSchema, status.details[0]?.value ?? BODY);
      expect(retry.retryDelay?.seconds).toBe(5n);
    },
  );

  test("is too large beyond 4 MiB", async () => {
    const { port } = await serve();
    const { error } = await sockets
      .grpc(port)
      .unary(EXPORT_PATH, Buffer.alloc(4 * 1024 * 1024 + 1));
    expect(error?.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
    expect(error?.metadata.get("grpc-status-details-bin")).toEqual([]);
    expect(ingest.pushes).toEqual([]);
  });

  test.each([
    [[], 14],
    [["a", "b"], 14],
    [["a/b"], 3],
    [["a|b"], 3],
    [[""], 3],
  ])("for the tenants %j gets code %i", async (tenants, code) => {
    const { port } = await serve(true);
    const metadata = new grpc.Metadata();
    for (const tenant of tenants) metadata.add("x-scope-orgid", tenant);
    const { error } = await sockets.grpc(port).unary(EXPORT_PATH, BODY, metadata);
    expect(error?.code).toBe(code);
  });

  test("of logs or metrics is UNIMPLEMENTED", async () => {
    const { port } = await serve();
    const path = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    const { error } = await sockets.grpc(port).unary(path, BODY);
    expect(error?.code).toBe(grpc.status.UNIMPLEMENTED);
  });
});

test("OTLP over HTTP works on a real socket, chunked or not", async () => {
  const settings = {
    endpoint: "",
    tls: undefined,
    cors: undefined,
    maxRequestBodyBytes: 1_000_000,
    tracesUrlPath: "/v1/traces",
  };
  const app = otlpHttpRoutes(ingest, settings, otlpDeps());
  const { port } = await sockets.listen({ fetch: (request, env) => app.fetch(request, env) });
  const chunked = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 3; i++) controller.enqueue(BODY);
      controller.close();
    },
  });
  for (const body of [Buffer.alloc(300_000, 5), chunked, new Uint8Array(1_000_001)]) {
    const response = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
      method: "POST",
      headers: { "content-type": "application/x-protobuf" },
      body,
      duplex: "half",
    } as RequestInit);
    await response.arrayBuffer();
    expect(response.status).toBe(body instanceof Uint8Array && body.length > 1e6 ? 413 : 200);
  }
  expect(ingest.pushes.map((push) => push.body.byteLength)).toEqual([300_000, 9]);
});

test("a sender may ask for no metrics of its spans", async () => {
  const { port } = await serve();
  const metadata = new grpc.Metadata();
  metadata.set("no-generate-metrics", "1");
  await sockets.grpc(port).unary(EXPORT_PATH, BODY, metadata);
  await sockets.grpc(port).unary(EXPORT_PATH, BODY);
  expect(ingest.pushes.map(({ skipMetrics }) => skipMetrics)).toEqual([true, false]);
});
