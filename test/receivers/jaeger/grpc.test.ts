import { gunzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { PintailError } from "../../../src/errors.ts";
import { BodyEncoding, BodyFormat, RefusedError } from "../../../src/ingest/ingest.ts";
import { jaegerGrpcService, POST_SPANS_PATH } from "../../../src/receivers/jaeger/grpc.ts";
import { Sockets } from "../../runtime/support.ts";
import { FakeIngest, otlpDeps } from "../otlp/support.ts";

const SETTINGS = {
  endpoint: "localhost:14250",
  transport: "tcp",
  tls: undefined,
  maxRecvMessageBytes: 4 * 1024 * 1024,
  maxConcurrentStreams: 0,
} as const;
const BODY = Buffer.from([1, 2, 3]);
const NO_MESSAGE = Buffer.alloc(0);

const sockets = new Sockets();
let ingest: FakeIngest;
beforeEach(() => {
  ingest = new FakeIngest();
});
afterEach(() => sockets.closeAll());

async function serve(multitenancyEnabled = false) {
  const deps = otlpDeps(multitenancyEnabled);
  const { port } = await sockets.listen({ grpc: jaegerGrpcService(ingest, SETTINGS, deps) });
  return { port, deps, client: sockets.grpc(port) };
}

function tenant(id: string): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set("x-scope-orgid", id);
  return metadata;
}

describe("an accepted request", () => {
  test("is pushed as it came and answered with an empty message", async () => {
    const { client, deps } = await serve();
    expect(await client.unary(POST_SPANS_PATH, BODY)).toEqual({ response: NO_MESSAGE });
    expect(ingest.pushes).toMatchObject([
      {
        tenant: "single-tenant",
        format: BodyFormat.jaegerProtobuf,
        encoding: BodyEncoding.identity,
        maxDecodedBytes: 4 * 1024 * 1024,
      },
    ]);
    expect(Buffer.from(ingest.pushes[0]?.body ?? [])).toEqual(BODY);
    expect(deps.metrics.render()).toContain(
      'tempo_receiver_accepted_spans{receiver="jaeger/jaeger_receiver",transport="grpc"} 2',
    );
  });

  test("in gzip is passed on compressed", async () => {
    const { port } = await serve();
    const client = sockets.grpc(port, {
      "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
    });
    await client.unary(POST_SPANS_PATH, Buffer.alloc(5000, 1));
    expect(ingest.pushes[0]?.encoding).toBe(BodyEncoding.gzip);
    expect(gunzipSync(ingest.pushes[0]?.body ?? BODY)).toEqual(Buffer.alloc(5000, 1));
  });
});

describe("a refused request", () => {
  test.each([
    [new PintailError("malformed", "bad varint"), 13],
    [new PintailError("invalid", "bad id"), 3],
    [new PintailError("too_large", "too large"), 8],
    [new PintailError("limited", "no hint"), 8],
    [new PintailError("unavailable", "disk full", { retryAfterMs: 1000 }), 2],
    [new PintailError("internal", "internal error"), 2],
    [new Error("secret"), 2],
  ])("with %s gets code %i without a hint", async (failure, code) => {
    ingest.failure = failure;
    const { client } = await serve();
    const { error } = await client.unary(POST_SPANS_PATH, BODY);
    expect(error?.code).toBe(code);
    expect(error?.details).not.toContain("secret");
    expect(error?.metadata.get("grpc-status-details-bin")).toEqual([]);
  });

  test("over the rate is told when to come back, and counted", async () => {
    const refused = { reason: "rate_limited", spanCount: 5, protobufBytes: 9 };
    ingest.failure = new RefusedError("limited", "rate", refused, 5000);
    const { client, deps } = await serve();
    const { error } = await client.unary(POST_SPANS_PATH, BODY);
    expect(error?.code).toBe(8);
    const [details] = error?.metadata.get("grpc-status-details-bin") ?? [];
    const [detail] = fromBinary(StatusSchema, details as Buffer).details;
    expect(fromBinary(RetryInfoSchema, detail!.value).retryDelay?.seconds).toBe(5n);
    expect(deps.metrics.render()).toContain(
      'tempo_receiver_refused_spans{receiver="jaeger/jaeger_receiver",transport="grpc"} 5',
    );
  });

  test("of more than the limit gets code 8 and no hint", async () => {
    const { client } = await serve();
    const { error } = await client.unary(POST_SPANS_PATH, Buffer.alloc(4 * 1024 * 1024 + 1));
    expect([error?.code, error?.metadata.get("grpc-status-details-bin")]).toEqual([8, []]);
    expect(ingest.pushes).toEqual([]);
  });

  test("of another method or service gets code 12", async () => {
    const { client } = await serve();
    for (const path of [
      "/jaeger.api_v2.CollectorService/Other",
      "/jaeger.api_v2.SamplingManager/GetSamplingStrategy",
      "/grpc.health.v1.Health/Check",
    ]) {
      expect((await client.unary(path, BODY)).error?.code, path).toBe(12);
    }
  });
});

describe("with multi-tenancy", () => {
  test("the metadata name the tenant", async () => {
    const { client } = await serve(true);
    expect(await client.unary(POST_SPANS_PATH, BODY, tenant("acme"))).toHaveProperty("response");
    expect(ingest.pushes[0]?.tenant).toBe("acme");
  });

  test.each([
    [BODY, undefined, 2, "no org id"],
    [NO_MESSAGE, undefined, 2, "no org id"],
    [BODY, "a/b", 3, "unsupported character"],
    [BODY, "a|b", 3, "multiple org IDs"],
  ])("a message of %o for tenant %s gets code %i", async (body, id, code, message) => {
    const { client } = await serve(true);
    const metadata = id === undefined ? new grpc.Metadata() : tenant(id);
    const { error } = await client.unary(POST_SPANS_PATH, body, metadata);
    expect(error?.code).toBe(code);
    expect(error?.details).toContain(message);
    expect(ingest.pushes).toEqual([]);
  });

  test("a message without spans is not stored", async () => {
    const { client } = await serve(true);
    expect(await client.unary(POST_SPANS_PATH, NO_MESSAGE, tenant("acme"))).toEqual({
      response: NO_MESSAGE,
    });
    expect(ingest.pushes).toEqual([]);
  });
});

test("a sender may ask for no metrics of its spans", async () => {
  const { client } = await serve();
  const metadata = new grpc.Metadata();
  metadata.set("no-generate-metrics", "1");
  await client.unary(POST_SPANS_PATH, BODY, metadata);
  await client.unary(POST_SPANS_PATH, BODY);
  expect(ingest.pushes.map(({ skipMetrics }) => skipMetrics)).toEqual([true, false]);
});
