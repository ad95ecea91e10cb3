import { connect as connectHttp2 } from "node:http2";
import type { ConnectRouter } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterEach, expect, test } from "vitest";
import { TraceService } from "../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { GrpcCode } from "../../src/runtime/grpc/status.ts";
import { connectHandlers, connectRoutes } from "../../src/server/connect.ts";
import { eventually, Sockets } from "./support.ts";

const sockets = new Sockets();
afterEach(() => sockets.closeAll());

const toStatus = () => ({ code: GrpcCode.internal, message: "" });
const EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

async function serve(routes: (router: ConnectRouter) => void, observed: unknown[] = []) {
  const universal = connectHandlers(routes, {
    maxRecvMessageBytes: 100_000,
    maxSendMessageBytes: 1_000_000,
  });
  const { port } = await sockets.listen({
    fetch: (request, env) => connectRoutes(universal).fetch(request, env),
    grpc: {
      universal,
      methods: [{ path: "/t.S/M", maxMessageBytes: 100, handle: async (message) => message }],
      toStatus,
      observe: (path, code) => observed.push([path, code]),
    },
  });
  const client = createClient(
    TraceService,
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }),
  );
  return { port, client };
}

test("a Connect service and a raw method share a port", async () => {
  const observed: unknown[] = [];
  const { port, client } = await serve((router) => {
    router.service(TraceService, {
      export: (request) => ({
        partialSuccess: { rejectedSpans: BigInt(request.resourceSpans.length), errorMessage: "é" },
      }),
    });
  }, observed);
  const response = await client.export({ resourceSpans: [{}, {}] });
  expect(response.partialSuccess).toMatchObject({ rejectedSpans: 2n, errorMessage: "é" });
  expect(await sockets.grpc(port).unary("/t.S/M", Buffer.from("x"))).toEqual({
    response: Buffer.from("x"),
  });
  expect((await sockets.grpc(port).unary("/t.S/N", Buffer.from("x"))).error?.code).toBe(12);
  expect(observed).toEqual([
    [EXPORT, 0],
    ["/t.S/M", 0],
  ]);
});

test("gRPC-Web and Connect clients are served over both versions of HTTP, gRPC only over 2", async () => {
  const { port } = await serve((router) => {
    router.service(TraceService, {
      export: (request) => ({
        partialSuccess: { rejectedSpans: BigInt(request.resourceSpans.length) },
      }),
    });
  });
  const baseUrl = `http://127.0.0.1:${port}`;
  const transports = [
    createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
    createConnectTransport({ baseUrl, httpVersion: "1.1" }),
    createConnectTransport({ baseUrl, httpVersion: "2" }),
  ];
  for (const transport of transports) {
    const response = await createClient(TraceService, transport).export({ resourceSpans: [{}] });
    expect(response.partialSuccess?.rejectedSpans).toBe(1n);
  }
  const { status } = await fetch(baseUrl + EXPORT, {
    method: "POST",
    headers: { "content-type": "application/grpc+proto" },
    body: new Uint8Array(5),
  });
  expect(status).toBe(415);
});

test("a Connect service's errors and limits reach the client", async () => {
  const { port, client } = await serve((router) => {
    router.service(TraceService, {
      export: () => {
        throw new Error("secret");
      },
    });
  });
  await expect(client.export({})).rejects.toThrow("internal error");
  const { error } = await sockets.grpc(port).unary(EXPORT, Buffer.alloc(200_000));
  expect(error?.code).toBe(8);
});

test("a request that never completes is cancelled after the read time-out", async () => {
  const universal = connectHandlers(
    (router) => router.service(TraceService, { export: () => ({}) }),
    { maxRecvMessageBytes: 100_000, maxSendMessageBytes: 100_000 },
  );
  const { port } = await sockets.listen({
    fetch: async (_, env) => new Response(await env.readBody(100)),
    grpc: { universal, toStatus },
    timeouts: { readMs: 100 },
  });
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  for (const type of ["application/grpc", "text/plain"]) {
    const stream = session.request({ ":method": "POST", ":path": EXPORT, "content-type": type });
    stream.on("error", () => {});
    stream.write(Buffer.from([0, 0]));
    await new Promise((resolve) => stream.once("close", resolve));
    // CANCEL; Bun tells its own client another code.
    expect(stream.rstCode).toBeGreaterThan(0);
  }
  session.destroy();
});

test("a client that cancels aborts a Connect handler's signal", async () => {
  let started = false;
  let aborted = false;
  const observed: unknown[] = [];
  const { port } = await serve((router) => {
    router.service(TraceService, {
      export: (_, context) => {
        started = true;
        return new Promise((_resolve, reject) => {
          context.signal.addEventListener("abort", () => {
            aborted = true;
            reject(context.signal.reason);
          });
        });
      },
    });
  }, observed);
  const call = sockets.grpc(port).unary(EXPORT, Buffer.alloc(0));
  await eventually(() => started);
  call.cancel();
  expect((await call).error?.code).toBe(1);
  await eventually(() => aborted);
  await eventually(() => observed.length === 1);
  expect(observed).toEqual([[EXPORT, 1]]);
});
