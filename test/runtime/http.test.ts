import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { isPintailError } from "../../src/errors.ts";
import { ByteBudget } from "../../src/runtime/byte-budget.ts";
import { GrpcCode } from "../../src/runtime/grpc/status.ts";
import type { FetchHandler } from "../../src/runtime/http/handler.ts";
import { eventually, readToEnd, Sockets } from "./support.ts";

const sockets = new Sockets();
afterEach(() => sockets.closeAll());

const hello: FetchHandler = () => new Response("hello");

const echo: FetchHandler = async (_, env) => {
  try {
    return new Response(await env.readBody(1_000_000));
  } catch (error) {
    if (isPintailError(error, "too_large")) return new Response("too large", { status: 413 });
    throw error;
  }
};

const echoMethod = {
  path: "/t.S/M",
  maxMessageBytes: 1_000_000,
  handle: async (message: Uint8Array) => message,
};
const grpcEcho = {
  methods: [echoMethod],
  toStatus: () => ({ code: GrpcCode.internal, message: "" }),
};

function http2Get(port: number, path: string): Promise<{ status: unknown; body: string }> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  return new Promise((resolve, reject) => {
    session.on("error", reject);
    const stream = session.request({ ":path": path });
    let status: unknown;
    let body = "";
    stream.on("response", (headers) => {
      status = headers[":status"];
    });
    stream.on("data", (chunk) => {
      body += String(chunk);
    });
    stream.on("end", () => {
      session.destroy();
      resolve({ status, body });
    });
  });
}

describe("one port", () => {
  test("serves HTTP/1.1, HTTP/2 and gRPC", async () => {
    const { port } = await sockets.listen({ fetch: hello, grpc: grpcEcho });
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("hello");
    expect(await http2Get(port, "/")).toEqual({ status: 200, body: "hello" });
    const message = Buffer.alloc(500_000, 3);
    expect(await sockets.grpc(port).unary("/t.S/M", message)).toEqual({ response: message });
  });

  test("knows the protocol when the first bytes come one by one", async () => {
    const { port } = await sockets.listen({ fetch: hello, grpc: grpcEcho });
    const socket = await sockets.socket(port);
    for (const byte of "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n") {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*hello$/);
  });

  test("keeps a connection open for several requests", async () => {
    const { port } = await sockets.listen({ fetch: hello, grpc: grpcEcho });
    const socket = await sockets.socket(port);
    for (let i = 0; i < 3; i++) {
      socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
      expect(String((await once(socket, "data"))[0])).toContain("200 OK");
    }
  });
});

describe("a request", () => {
  test("for the head alone claims no length of a body that it does not know", async () => {
    const { port } = await sockets.listen({
      fetch: (request) => new Response(request.method === "HEAD" ? null : "hello"),
    });
    const socket = connect(port, "127.0.0.1");
    socket.end("HEAD / HTTP/1.1\r\nhost: h\r\n\r\n");
    const head = await readToEnd(socket);
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(head).not.toMatch(/content-length/i);
  });

  test("reaches the handler with its method, URL, headers and body", async () => {
    let seen: unknown;
    const { port } = await sockets.listen({
      fetch: async (request, env) => {
        const { pathname, search } = new URL(request.url);
        seen = [request.method, pathname, search, request.headers.get("x-a"), env.remoteAddress];
        return new Response(await request.text(), { status: 201, headers: { "x-b": "2" } });
      },
    });
    const response = await fetch(`http://127.0.0.1:${port}/a/b?c=d`, {
      method: "POST",
      body: "the body",
      headers: { "x-a": "1" },
    });
    expect(seen).toEqual(["POST", "/a/b", "?c=d", "1", "127.0.0.1"]);
    expect([response.status, response.headers.get("x-b")]).toEqual([201, "2"]);
    expect(await response.text()).toBe("the body");
  });

  test.each([
    ["an absolute target", "GET http://other/x HTTP/1.1\r\nhost: y\r\n", "/x"],
    ["a strange host", "GET /x HTTP/1.1\r\nhost: a b/c@d\r\n", "/x"],
    ["two slashes", "GET //x/y HTTP/1.1\r\nhost: y\r\n", "//x/y"],
    ["a star", "OPTIONS * HTTP/1.1\r\nhost: y\r\n", "/"],
  ])("with %s has a usable URL", async (_, head, path) => {
    const { port } = await sockets.listen({
      fetch: (request) => new Response(new URL(request.url).pathname),
    });
    const socket = await sockets.socket(port);
    socket.end(`${head}connection: close\r\n\r\n`);
    expect((await readToEnd(socket)).split("\r\n\r\n")[1]).toBe(path);
  });

  test("that is not HTTP gets 400", async () => {
    const { port } = await sockets.listen({ fetch: hello });
    const socket = await sockets.socket(port);
    socket.write("\x16\x03\x01 what\r\n\r\n");
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 400/);
  });

  test("whose handler throws gets 500 and is reported", async () => {
    const { port } = await sockets.listen({
      fetch: () => {
        throw new Error("secret");
      },
    });
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect([response.status, await response.text()]).toEqual([500, "internal error"]);
    expect(sockets.reports).toHaveLength(1);
  });

  test("over the body limit gets its answer although the body goes on", async () => {
    const { port } = await sockets.listen({ fetch: echo });
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      method: "POST",
      body: new Uint8Array(5_000_000),
    });
    expect([response.status, await response.text()]).toEqual([413, "too large"]);
    const socket = await sockets.socket(port);
    socket.write("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    socket.write(`180000\r\n${"x".repeat(0x180000)}\r\n`);
    expect(String((await once(socket, "data"))[0])).toContain("413");
  });

  test("waits with its body for 100 Continue until somebody reads it", async () => {
    const { port } = await sockets.listen({
      fetch: (request, env) =>
        request.method === "PUT" ? new Response("no", { status: 403 }) : echo(request, env),
    });
    const socket = await sockets.socket(port);
    const head = "HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n";
    socket.write(`POST / ${head}`);
    expect(String((await once(socket, "data"))[0])).toContain("100 Continue");
    socket.write("abc");
    expect(String((await once(socket, "data"))[0])).toContain("200 OK");
    socket.write(`PUT / ${head}`);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 403/);
  });

  test("is refused when requests in flight hold too much together", async () => {
    const budget = new ByteBudget(1000);
    const { port } = await sockets.listen({
      budget,
      fetch: async (_, env) => {
        try {
          return new Response(await env.readBody(10_000));
        } catch (error) {
          return new Response("", { status: isPintailError(error, "unavailable") ? 503 : 500 });
        }
      },
    });
    const post = (bytes: number) =>
      fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: new Uint8Array(bytes) });
    expect((await post(900)).status).toBe(200);
    expect((await post(1100)).status).toBe(503);
    expect((await post(900)).status).toBe(200);
    await eventually(() => budget.usedBytes === 0);
  });
});

describe("a client that goes away", () => {
  test("aborts the signal of a running request", async () => {
    let aborted = false;
    let started = false;
    const { port } = await sockets.listen({
      fetch: (request) =>
        new Promise((resolve) => {
          started = true;
          request.signal.addEventListener("abort", () => {
            aborted = true;
            resolve(new Response("nobody"));
          });
        }),
    });
    const socket = await sockets.socket(port);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await eventually(() => started);
    socket.destroy();
    await eventually(() => aborted);
  });

  test("ends a request whose body it was sending", async () => {
    let failure: unknown;
    const { port } = await sockets.listen({
      fetch: async (_, env) => {
        await env.readBody(1000).catch((error) => {
          failure = error;
        });
        return new Response("");
      },
    });
    const socket = await sockets.socket(port);
    socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc");
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    await eventually(() => failure !== undefined);
    expect(isPintailError(failure, "canceled")).toBe(true);
  });

  test("cancels a streamed response", async () => {
    let cancelled = false;
    const { port } = await sockets.listen({
      fetch: () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              controller.enqueue(new Uint8Array(10_000));
            },
            cancel() {
              cancelled = true;
            },
          }),
        ),
    });
    const socket = await sockets.socket(port);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(socket, "data");
    socket.destroy();
    await eventually(() => cancelled);
  });

  test("may close only its sending half and still gets the answer", async () => {
    const { port } = await sockets.listen({ fetch: hello, grpc: grpcEcho });
    const socket = await sockets.socket(port);
    socket.end("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    expect(await readToEnd(socket)).toMatch(/hello$/);
  });
});

describe("a slow client is cut off", () => {
  test("when it sends nothing", async () => {
    const { port } = await sockets.listen({ fetch: hello, timeouts: { headerMs: 100 } });
    expect(await readToEnd(await sockets.socket(port))).toBe("");
  });

  test("when its headers never end", async () => {
    const { port } = await sockets.listen({
      fetch: hello,
      grpc: grpcEcho,
      timeouts: { headerMs: 100 },
    });
    const socket = await sockets.socket(port);
    socket.write("GET / HTTP/1.1\r\nhost:");
    expect(await readToEnd(socket)).toBe("");
  });

  test("when its second request's headers never end", async () => {
    const { port } = await sockets.listen({
      fetch: hello,
      timeouts: { headerMs: 100, idleMs: 0 },
    });
    const socket = await sockets.socket(port);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(socket, "data");
    socket.write("GET / HT");
    expect(await readToEnd(socket)).toBe("");
  });

  test("when its body never ends", async () => {
    const { port } = await sockets.listen({ fetch: echo, timeouts: { readMs: 100 } });
    const socket = await sockets.socket(port);
    socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc");
    expect(await readToEnd(socket)).toBe("");
  });

  test("when it is idle between requests", async () => {
    const { port } = await sockets.listen({ fetch: hello, timeouts: { idleMs: 100 } });
    const socket = await sockets.socket(port);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await readToEnd(socket)).toMatch(/hello$/);
  });

  test("when the answer takes longer than the write time-out", async () => {
    let aborted = false;
    const { port } = await sockets.listen({
      fetch: (request) =>
        new Promise(() => {
          request.signal.addEventListener("abort", () => {
            aborted = true;
          });
        }),
      timeouts: { writeMs: 100 },
    });
    const socket = await sockets.socket(port);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await readToEnd(socket)).toBe("");
    await eventually(() => aborted);
  });

  test("does not end a stream that is kept open, over either version of HTTP", async () => {
    const lasting: FetchHandler = (_, env) => {
      env.keepOpen();
      const parts = ["a", "b", "c"].values();
      return new Response(
        new ReadableStream({
          async pull(controller) {
            const { value } = parts.next();
            if (value === undefined) return controller.close();
            await new Promise((resolve) => setTimeout(resolve, 100));
            controller.enqueue(new TextEncoder().encode(value));
          },
        }),
      );
    };
    const { port } = await sockets.listen({
      fetch: lasting,
      grpc: grpcEcho,
      timeouts: { writeMs: 100 },
    });
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("abc");
    expect((await http2Get(port, "/")).body).toBe("abc");
  });
});

describe("listening", () => {
  test("on a taken port names the port and who wanted it", async () => {
    const { port } = await sockets.listen({ fetch: hello });
    await expect(
      sockets.listen({ name: "otlp/http", endpoint: { host: "127.0.0.1", port }, fetch: hello }),
    ).rejects.toThrow(`otlp/http cannot listen on 127.0.0.1:${port}: address already in use`);
  });

  test("on localhost answers on 127.0.0.1", async () => {
    const { port, addresses } = await sockets.listen({
      endpoint: { host: "localhost", port: 0 },
      fetch: hello,
    });
    expect(addresses[0]).toBe("127.0.0.1");
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("hello");
  });

  test("on no host answers on every address", async () => {
    const { port } = await sockets.listen({ endpoint: { host: "", port: 0 }, fetch: hello });
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("hello");
  });

  test("on a unix path replaces a dead socket, not a living one", async () => {
    const dir = await mkdtemp(join(tmpdir(), "pintail-"));
    const path = join(dir, "s.sock");
    try {
      const endpoint = { path };
      await sockets.listen({ endpoint, fetch: hello });
      await expect(sockets.listen({ endpoint, fetch: hello })).rejects.toThrow("already in use");
      const socket = connect({ path });
      socket.end("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
      expect(await readToEnd(socket)).toMatch(/hello$/);
      await writeFile(join(dir, "file"), "");
      await expect(
        sockets.listen({ endpoint: { path: join(dir, "file") }, fetch: hello }),
      ).rejects.toThrow("already in use");
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  test("closes connections beyond the limit", async () => {
    const { port } = await sockets.listen({ fetch: hello, maxConnections: 1 });
    const first = await sockets.socket(port);
    first.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(first, "data");
    const second = await sockets.socket(port);
    expect(await readToEnd(second)).toBe("");
  });
});

describe("closing", () => {
  test("lets a running request finish and drops idle connections", async () => {
    let answer: (() => void) | undefined;
    const listener = await sockets.listen({
      fetch: () =>
        new Promise((resolve) => {
          answer = () => resolve(new Response("done"));
        }),
    });
    const idle = await sockets.socket(listener.port);
    const busy = await sockets.socket(listener.port);
    busy.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await eventually(() => answer !== undefined && listener.connectionCount === 2);
    const closed = listener.close(10_000);
    expect(await readToEnd(idle)).toBe("");
    answer?.();
    expect(await readToEnd(busy)).toMatch(/done$/);
    await closed;
    expect(listener.connectionCount).toBe(0);
  });

  test("lets a running gRPC call finish", async () => {
    let answer: (() => void) | undefined;
    const listener = await sockets.listen({
      grpc: {
        ...grpcEcho,
        methods: [
          {
            ...echoMethod,
            handle: (message) =>
              new Promise((resolve) => {
                answer = () => resolve(message);
              }),
          },
        ],
      },
    });
    const call = sockets.grpc(listener.port).unary("/t.S/M", Buffer.from("x"));
    await eventually(() => answer !== undefined);
    const closed = listener.close(10_000);
    answer?.();
    expect(await call).toEqual({ response: Buffer.from("x") });
    await closed;
  });

  test("cuts what does not finish in time", async () => {
    let aborted = false;
    let started = false;
    const listener = await sockets.listen({
      fetch: (request) =>
        new Promise(() => {
          started = true;
          request.signal.addEventListener("abort", () => {
            aborted = true;
          });
        }),
    });
    const socket = await sockets.socket(listener.port);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    await eventually(() => started);
    await listener.close(50);
    await eventually(() => aborted);
    await expect(fetch(`http://127.0.0.1:${listener.port}/`)).rejects.toThrow();
  });
});
