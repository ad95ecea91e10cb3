import {
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { ByteBudget } from "../byte-budget.ts";
import type { Connection, Connections, Timeouts } from "../connections.ts";
import { platform } from "../platform.ts";
import { type Exchange, serveFetch } from "./fetch-bridge.ts";
import type { FetchHandler } from "./handler.ts";

/** The defaults (64 KiB both) stall a sender of large messages once per round trip. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const SESSION_WINDOW_BYTES = 16 * 1024 * 1024;
/** In MB; must hold a whole session window and what is being sent. The default is 10. */
const MAX_SESSION_MEMORY = 64;
const MAX_HEADER_LIST_BYTES = 64 * 1024;
/** What "no limit" means: a stream costs some kilobytes even when nothing was sent on it. */
const MANY_STREAMS = 10_000;

const CANCEL = 8;

/** Answers gRPC requests; gets a stream whose headers are gRPC's. */
export type StreamHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export interface Http2 {
  accept(socket: Socket, head: Uint8Array | undefined, connection: Connection): void;
}

export type Http2Options = {
  readonly fetch: FetchHandler | undefined;
  readonly grpc: StreamHandler | undefined;
  /** 0 = no limit. */
  readonly maxConcurrentStreams: number;
  readonly timeouts: Timeouts;
  readonly connections: Connections;
  readonly budget: ByteBudget | undefined;
  readonly report: (error: unknown) => void;
};

/** HTTP/2 on sockets that somebody else accepts; requests are gRPC's by their content type. */
export function createHttp2(options: Http2Options): Http2 {
  const { connections, fetch, grpc } = options;
  const bySession = new WeakMap<object, Connection>();
  // "session" is emitted while `emit("connection")` runs, so this names its connection.
  let accepting: Connection | undefined;

  const server = createServer({
    maxSessionMemory: MAX_SESSION_MEMORY,
    settings: {
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxConcurrentStreams: options.maxConcurrentStreams || MANY_STREAMS,
      maxHeaderListSize: MAX_HEADER_LIST_BYTES,
      enablePush: false,
    },
  });

  server.on("session", (session: ServerHttp2Session) => {
    session.on("error", () => {});
    // With this Bun gives no window back once the first is used up, and the sender waits for ever.
    if (platform !== "bun") session.setLocalWindowSize?.(SESSION_WINDOW_BYTES);
    if (accepting === undefined) return;
    bySession.set(session, accepting);
    accepting.session = session;
    if (connections.closing) session.close();
  });

  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on("error", () => {});
    const connection = stream.session && bySession.get(stream.session);
    if (connection !== undefined) {
      const active = connections.begin(connection);
      stream.once("close", () => connections.end(connection, active));
    }
    if (grpc !== undefined && (fetch === undefined || isGrpc(headers))) {
      grpc(stream, headers);
    } else if (fetch !== undefined) {
      limitReading(stream, headers, options.timeouts.readMs);
      const keepOpen = limitStream(stream, options.timeouts.writeMs, "close");
      const exchange = toExchange(stream, headers, connection?.socket, keepOpen);
      void serveFetch(fetch, exchange, options.budget, options.report);
    }
  });

  return {
    accept(socket, head, connection) {
      // A peer that stops sending is gone: HTTP/2 has no half-closed connections.
      socket.allowHalfOpen = false;
      if (head !== undefined && platform !== "bun") socket.unshift(head);
      accepting = connection;
      server.emit("connection", socket);
      accepting = undefined;
      if (head !== undefined && platform === "bun") {
        // Bun's HTTP/2 never looks at bytes that were put back.
        socket.emit("data", head);
        socket.resume();
      }
    },
  };
}

export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return headers["content-type"]?.startsWith("application/grpc") === true;
}

/** Cancels a stream whose request does not arrive in time; 0 = never. */
export function limitReading(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  readMs: number,
): void {
  const bodyless = headers[":method"] === "GET" || headers[":method"] === "HEAD";
  if (!bodyless && !stream.endAfterHeaders) limitStream(stream, readMs, "end");
}

/** Returns a function that takes the limit away. */
function limitStream(
  stream: ServerHttp2Stream,
  limitMs: number,
  until: "end" | "close",
): () => void {
  if (limitMs <= 0) return () => {};
  const timer = setTimeout(() => stream.close(CANCEL), limitMs);
  const clear = () => clearTimeout(timer);
  stream.once(until, clear);
  stream.once("close", clear);
  return clear;
}

function toExchange(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  socket: Socket | undefined,
  keepOpen: () => void,
): Exchange {
  return {
    method: text(headers[":method"]) ?? "GET",
    target: text(headers[":path"]) ?? "/",
    scheme: headers[":scheme"] === "https" ? "https" : "http",
    authority: text(headers[":authority"]) ?? headers.host,
    remoteAddress: socket?.remoteAddress ?? "",
    rawHeaders: flatten(headers),
    incoming: stream,
    outgoing: stream,
    beforeBody() {},
    keepOpen,
    respond(status, responseHeaders) {
      const record: Record<string, string | number | string[]> = { ":status": status };
      for (const [name, value] of responseHeaders) {
        if (!HOP_BY_HOP.has(name)) record[name] = value;
      }
      const cookies = responseHeaders.getSetCookie();
      if (cookies.length > 0) record["set-cookie"] = cookies;
      stream.respond(record);
    },
    finish() {
      stream.end();
      // Tells a peer that is still sending that nobody listens.
      if (!stream.readableEnded) stream.resume();
    },
  };
}

const HOP_BY_HOP = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade"]);

function text(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

export function flatten(headers: IncomingHttpHeaders): string[] {
  const flat: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || name.startsWith(":")) continue;
    for (const one of Array.isArray(value) ? value : [value]) flat.push(name, one);
  }
  return flat;
}
