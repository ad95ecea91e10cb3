import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { ByteBudget } from "../byte-budget.ts";
import type { Connection, Connections } from "../connections.ts";
import { platform } from "../platform.ts";
import { type Exchange, serveFetch } from "./fetch-bridge.ts";
import type { FetchHandler } from "./handler.ts";

/** As in Go: a TraceQL query of 128 KiB, percent-encoded, stands in the request line. */
const MAX_HEADER_BYTES = 1024 * 1024;
/** After an early answer: how much of the rest of a body is read so that the peer sees it. */
const LINGER_BYTES = 8 * 1024 * 1024;
const LINGER_MS = 1000;

export interface Http1 {
  /** Takes over a socket; `head` are bytes that were already read from it. */
  accept(socket: Socket, head: Uint8Array | undefined, connection: Connection): void;
  close(): void;
}

/** HTTP/1.1 on sockets that somebody else accepts. */
export async function createHttp1(
  handler: FetchHandler,
  connections: Connections,
  budget: ByteBudget | undefined,
  report: (error: unknown) => void,
): Promise<Http1> {
  const bySocket = new WeakMap<Socket, Connection>();
  const byHopPort = new Map<number, Connection>();

  const onRequest = (req: IncomingMessage, res: ServerResponse, expectsContinue: boolean) => {
    const connection = bySocket.get(req.socket) ?? byHopPort.get(req.socket.remotePort ?? 0);
    if (connection === undefined) {
      // Only somebody on this machine who found the loopback hop gets here.
      req.socket.destroy();
      return;
    }
    const active = connections.begin(connection);
    req.once("end", () => {
      active.bodyComplete = true;
    });
    // Without a body nobody may ever read, so "end" may never come.
    if (!hasBody(req)) active.bodyComplete = true;
    req.on("error", () => {});
    res.on("error", () => {});
    res.once("close", () => {
      if (connections.end(connection, active)) req.socket.destroySoon();
    });
    const exchange = toExchange(req, res, connection, {
      expectsContinue,
      closing: () => connections.closing,
      keepOpen() {
        active.lasting = true;
      },
    });
    void serveFetch(handler, exchange, budget, report);
  };

  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    // `Connections` does this, the same for all runtimes.
    requestTimeout: 0,
    headersTimeout: 0,
    keepAliveTimeout: 0,
  });
  server.on("request", (req, res) => onRequest(req, res, false));
  server.on("checkContinue", (req, res) => onRequest(req, res, true));

  if (platform === "deno") {
    // Deno closes a socket that was handed over after one response, so a second, local connection
    // carries the bytes.
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return {
      accept(socket, head, connection) {
        hop(socket, head, port, (hopPort) => byHopPort.set(hopPort, connection), byHopPort);
      },
      close: () => server.close(),
    };
  }
  return {
    accept(socket, head, connection) {
      bySocket.set(socket, connection);
      if (head !== undefined) socket.unshift(head);
      server.emit("connection", socket);
      // A socket that was read from before is paused.
      if (head !== undefined) process.nextTick(() => socket.resume());
    },
    close: () => {},
  };
}

function hop(
  socket: Socket,
  head: Uint8Array | undefined,
  port: number,
  opened: (hopPort: number) => void,
  ports: Map<number, Connection>,
): void {
  const inner = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
    const hopPort = inner.localPort ?? 0;
    opened(hopPort);
    inner.once("close", () => ports.delete(hopPort));
    if (head !== undefined) inner.write(head);
    socket.pipe(inner);
    inner.pipe(socket);
  });
  const end = () => {
    inner.destroy();
    socket.destroy();
  };
  inner.on("error", end);
  socket.on("error", end);
  socket.once("close", end);
}

function hasBody(req: IncomingMessage): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = req.headers;
  return encoding !== undefined || (length !== undefined && length !== "0");
}

type ExchangeOptions = {
  readonly expectsContinue: boolean;
  readonly closing: () => boolean;
  readonly keepOpen: () => void;
};

function toExchange(
  req: IncomingMessage,
  res: ServerResponse,
  connection: Connection,
  { expectsContinue, closing, keepOpen }: ExchangeOptions,
): Exchange {
  let continued = !expectsContinue;
  let early = false;
  return {
    method: req.method ?? "GET",
    target: req.url ?? "/",
    scheme: "encrypted" in connection.socket ? "https" : "http",
    authority: req.headers.host,
    remoteAddress: connection.socket.remoteAddress ?? "",
    rawHeaders: req.rawHeaders,
    incoming: req,
    outgoing: res,
    keepOpen,
    beforeBody() {
      if (continued) return;
      continued = true;
      res.writeContinue();
    },
    respond(status, headers) {
      early = hasBody(req) && !req.complete;
      const record: Record<string, string | string[]> = {};
      for (const [name, value] of headers) record[name] = value;
      const cookies = headers.getSetCookie();
      if (cookies.length > 0) record["set-cookie"] = cookies;
      if (early || closing()) record.connection = "close";
      res.writeHead(status, record);
    },
    finish() {
      if (early && continued) linger(req, res);
      else res.end();
    },
  };
}

/**
 * The response is out, the body still arrives. Closing now could make the peer's kernel drop the
 * response unread, so a bounded part of the rest is read first.
 */
function linger(req: IncomingMessage, res: ServerResponse): void {
  res.flushHeaders();
  let bytes = 0;
  const end = () => {
    clearTimeout(timer);
    req.off("data", onData);
    req.off("end", end);
    req.off("close", end);
    res.end();
  };
  const onData = (chunk: Uint8Array) => {
    bytes += chunk.byteLength;
    if (bytes > LINGER_BYTES) end();
  };
  const timer = setTimeout(end, LINGER_MS);
  req.on("data", onData);
  req.on("end", end);
  req.on("close", end);
  req.resume();
}
