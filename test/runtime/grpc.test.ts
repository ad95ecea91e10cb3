import { randomBytes } from "node:crypto";
import { connect as connectHttp2 } from "node:http2";
import { gunzipSync, gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { PintailError } from "../../src/errors.ts";
import { frameOf } from "../../src/runtime/grpc/frames.ts";
import type { GrpcCall, GrpcMethod } from "../../src/runtime/grpc/service.ts";
import { GrpcCode, type GrpcStatus } from "../../src/runtime/grpc/status.ts";
import { eventually, Sockets } from "./support.ts";

const sockets = new Sockets();
afterEach(() => sockets.closeAll());

const MAX = 1024 * 1024;

function toStatus(error: unknown): GrpcStatus {
  return {
    code: GrpcCode.internal,
    message: error instanceof Error ? error.message : "?",
    details: new Uint8Array([8, 13]),
  };
}

function serve(handle: GrpcMethod["handle"], observed: unknown[] = []) {
  return sockets.listen({
    grpc: {
      methods: [{ path: "/t.S/M", maxMessageBytes: MAX, handle }],
      toStatus,
      observe: (path, code) => observed.push([path, code]),
    },
  });
}

const echo: GrpcMethod["handle"] = async (message) => message;

describe("a raw unary method", () => {
  test("gets the message and answers", async () => {
    const observed: unknown[] = [];
    const { port } = await serve(echo, observed);
    const message = randomBytes(300_000);
    const result = await sockets.grpc(port).unary("/t.S/M", message);
    expect(result).toEqual({ response: message });
    expect(observed).toEqual([["/t.S/M", 0]]);
  });

  test("takes a message without bytes", async () => {
    const { port } = await serve(echo);
    expect(await sockets.grpc(port).unary("/t.S/M", new Uint8Array(0))).toEqual({
      response: Buffer.alloc(0),
    });
  });

  test("gets a gzip message as it came and answers with gzip", async () => {
    let seen: { encoding: string; bytes: Buffer } | undefined;
    const { port } = await serve(async (message, call) => {
      seen = { encoding: call.encoding, bytes: gunzipSync(message) };
      return new Uint8Array(5000);
    });
    const client = sockets.grpc(port, {
      "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
    });
    const result = await client.unary("/t.S/M", new Uint8Array(9000).fill(7));
    expect(result).toEqual({ response: Buffer.alloc(5000) });
    expect(seen).toEqual({ encoding: "gzip", bytes: Buffer.alloc(9000, 7) });
  });

  test("serves 200 calls at once on one connection", async () => {
    const { port } = await serve(echo);
    const client = sockets.grpc(port);
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, i) => client.unary("/t.S/M", Buffer.alloc(2000, i))),
    );
    results.forEach((result, i) => {
      expect(result).toEqual({ response: Buffer.alloc(2000, i) });
    });
  });

  test("refuses a larger message with RESOURCE_EXHAUSTED and goes on", async () => {
    const { port } = await serve(echo);
    const client = sockets.grpc(port);
    const { error } = await client.unary("/t.S/M", new Uint8Array(MAX + 1));
    expect(error?.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
    expect(error?.details).toContain(`(${MAX + 1} vs. ${MAX})`);
    expect((await client.unary("/t.S/M", new Uint8Array(5 * MAX))).error?.code).toBe(8);
    expect(await client.unary("/t.S/M", new Uint8Array(MAX))).toEqual({
      response: Buffer.alloc(MAX),
    });
  });

  test("sends error details and messages outside ASCII", async () => {
    const { port } = await serve(async () => {
      throw new Error("100 % größer\n");
    });
    const { error } = await sockets.grpc(port).unary("/t.S/M", new Uint8Array(1));
    expect(error?.code).toBe(13);
    expect(error?.details).toBe("100 % größer\n");
    expect(error?.metadata.get("grpc-status-details-bin")).toEqual([Buffer.from([8, 13])]);
  });

  test("passes metadata, repeated values apart", async () => {
    let call: GrpcCall | undefined;
    const { port } = await serve(async (message, c) => {
      call = c;
      return message;
    });
    const metadata = new grpc.Metadata();
    metadata.add("x-scope-orgid", "a");
    metadata.add("x-scope-orgid", "b");
    await sockets.grpc(port).unary("/t.S/M", new Uint8Array(1), metadata);
    expect(call?.metadata.getAll("x-scope-orgid")).toEqual(["a", "b"]);
    expect(call?.metadata.get("missing")).toBeUndefined();
  });

  test("ends at the client's deadline and aborts its signal", async () => {
    const observed: unknown[] = [];
    let reason: unknown;
    const { port } = await serve(
      (_, call) =>
        new Promise((_resolve, reject) => {
          call.signal.addEventListener("abort", () => {
            reason = call.signal.reason;
            reject(reason);
          });
        }),
      observed,
    );
    const { error } = await sockets
      .grpc(port)
      .unary("/t.S/M", new Uint8Array(1), undefined, { deadline: Date.now() + 100 });
    expect(error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
    await eventually(() => reason !== undefined);
    expect(reason).toBeInstanceOf(PintailError);
    expect(observed).toHaveLength(1);
  });

  test("aborts its signal when the client cancels", async () => {
    let started = false;
    let aborted = false;
    const { port } = await serve((_, call) => {
      started = true;
      return new Promise((_resolve, reject) => {
        call.signal.addEventListener("abort", () => {
          aborted = true;
          reject(call.signal.reason);
        });
      });
    });
    const call = sockets.grpc(port).unary("/t.S/M", new Uint8Array(1));
    await eventually(() => started);
    call.cancel();
    expect((await call).error?.code).toBe(grpc.status.CANCELLED);
    await eventually(() => aborted);
  });

  test("refuses a second message", async () => {
    const { port } = await serve(echo);
    const error = await new Promise<grpc.ServiceError | null>((resolve) => {
      const call = sockets.grpc(port).clientStream("/t.S/M", resolve);
      call.write(Buffer.from("a"));
      call.write(Buffer.from("b"));
      call.end();
    });
    expect(error?.code).toBe(grpc.status.INTERNAL);
  });

  test("refuses a call without a message", async () => {
    const { port } = await serve(echo);
    const error = await new Promise<grpc.ServiceError | null>((resolve) => {
      sockets.grpc(port).clientStream("/t.S/M", resolve).end();
    });
    expect(error?.code).toBe(grpc.status.INTERNAL);
  });
});

test("an unknown method is UNIMPLEMENTED", async () => {
  const { port } = await serve(echo);
  const { error } = await sockets.grpc(port).unary("/t.S/Other", new Uint8Array(1));
  expect(error?.code).toBe(grpc.status.UNIMPLEMENTED);
  expect(error?.details).toBe("unknown method Other for service t.S");
});

describe("a server-streaming method", () => {
  test("sends many messages, at the pace of the client", async () => {
    const { port } = await serve(async (_, call) => {
      for (let i = 0; i < 100; i++) await call.send(Buffer.alloc(40_000, i));
      return undefined;
    });
    const stream = sockets.grpc(port).serverStream("/t.S/M", new Uint8Array(1));
    const lengths: number[] = [];
    for await (const message of stream) lengths.push((message as Buffer).length);
    expect(lengths).toEqual(Array(100).fill(40_000));
  });

  test("stops sending when the client goes away", async () => {
    let rejected: unknown;
    const { port } = await serve(async (_, call) => {
      try {
        for (;;) await call.send(new Uint8Array(60_000));
      } catch (error) {
        rejected = error;
        throw error;
      }
    });
    const stream = sockets.grpc(port).serverStream("/t.S/M", new Uint8Array(1));
    stream.on("error", () => {});
    await new Promise((resolve) => stream.once("data", resolve));
    stream.cancel();
    await eventually(() => rejected !== undefined);
    expect(rejected).toBeInstanceOf(PintailError);
  });

  test("reports an error after some messages", async () => {
    const { port } = await serve(async (_, call) => {
      await call.send(new Uint8Array(3));
      throw new Error("late");
    });
    const stream = sockets.grpc(port).serverStream("/t.S/M", new Uint8Array(1));
    const messages: Buffer[] = [];
    stream.on("data", (message: Buffer) => messages.push(message));
    const error = await new Promise<grpc.ServiceError>((resolve) => {
      stream.on("error", (e) => resolve(e as grpc.ServiceError));
    });
    expect([messages.length, error.code, error.details]).toEqual([1, 13, "late"]);
  });
});

/** One request by hand: what grpc-js would never send. */
async function byHand(
  port: number,
  headers: Record<string, string>,
  body: Uint8Array | undefined,
): Promise<Record<string, unknown>> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  try {
    return await new Promise((resolve, reject) => {
      const stream = session.request({
        ":method": "POST",
        ":path": "/t.S/M",
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      });
      let all: Record<string, unknown> = {};
      stream.on("response", (response) => {
        all = { ...all, ...response };
      });
      stream.on("trailers", (trailers) => {
        all = { ...all, ...trailers };
      });
      stream.on("end", () => resolve(all));
      stream.on("error", reject);
      stream.resume();
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
}

describe("a malformed request", () => {
  test("with an unknown compressor is UNIMPLEMENTED and learns the known ones", async () => {
    const { port } = await serve(echo);
    const body = frameOf(new Uint8Array(3), true);
    expect(await byHand(port, { "grpc-encoding": "br" }, body)).toMatchObject({
      ":status": 200,
      "grpc-status": "12",
      "grpc-accept-encoding": "identity,gzip,zstd,snappy",
    });
  });

  test.each([
    ["a compressed message without grpc-encoding", {}, frameOf(gzipSync("x"), true)],
    ["wrong flags", {}, Buffer.from([9, 0, 0, 0, 0])],
    ["a cut message", {}, frameOf(new Uint8Array(50), false).subarray(0, 20)],
    ["a cut frame header", {}, Buffer.from([0, 0])],
    ["a timeout that is none", { "grpc-timeout": "soon" }, frameOf(new Uint8Array(1), false)],
  ])("with %s is INTERNAL", async (_, headers, body) => {
    const { port } = await serve(echo);
    expect(await byHand(port, headers as Record<string, string>, body)).toMatchObject({
      "grpc-status": "13",
    });
  });

  test("with another content type is HTTP 415, with another method 405", async () => {
    const { port } = await serve(echo);
    expect(await byHand(port, { "content-type": "text/plain" }, undefined)).toMatchObject({
      ":status": 415,
    });
    expect(
      await byHand(port, { "content-type": "application/grpc+json" }, undefined),
    ).toMatchObject({ ":status": 415 });
    expect(await byHand(port, { ":method": "GET" }, undefined)).toMatchObject({ ":status": 405 });
  });

  test("that never completes ends after the read time-out", async () => {
    const observed: unknown[] = [];
    const { port } = await sockets.listen({
      grpc: {
        methods: [{ path: "/t.S/M", maxMessageBytes: MAX, handle: echo }],
        toStatus,
        observe: (_, code) => observed.push(code),
      },
      timeouts: { readMs: 100 },
    });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": "/t.S/M",
      "content-type": "application/grpc",
    });
    stream.on("error", () => {});
    stream.write(frameOf(new Uint8Array(50), false).subarray(0, 20));
    const response = await new Promise<Record<string, unknown>>((resolve) => {
      stream.on("response", (headers) => resolve({ ...headers }));
    });
    expect(response["grpc-status"]).toBe("1");
    expect(observed).toEqual([1]);
    session.destroy();
  });
});
