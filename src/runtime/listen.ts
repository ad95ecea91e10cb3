import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { bind } from "./bind.ts";
import type { ByteBudget } from "./byte-budget.ts";
import { type Connection, Connections, type Timeouts } from "./connections.ts";
import type { Endpoint } from "./endpoint.ts";
import { createGrpcHandler } from "./grpc/server.ts";
import type { GrpcService } from "./grpc/service.ts";
import type { FetchHandler } from "./http/handler.ts";
import { createHttp1 } from "./http/http1.ts";
import { createHttp2 } from "./http/http2.ts";
import { clientCertAccepted, type TlsOptions } from "./tls.ts";

export type ListenOptions = {
  /** For error messages, e.g. `otlp/grpc`. */
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly tls?: TlsOptions | undefined;
  /** HTTP/1.1, and HTTP/2 requests that are not gRPC. */
  readonly fetch?: FetchHandler | undefined;
  /** gRPC over HTTP/2. Together with `fetch` both share the port. */
  readonly grpc?: GrpcService | undefined;
  readonly timeouts?: Partial<Timeouts>;
  /** Further connections are closed at once; 0 = unlimited. */
  readonly maxConnections?: number;
  /** 0 = unlimited. */
  readonly maxConcurrentStreams?: number;
  /** Shared bound on bodies and messages that are still arriving. */
  readonly budget?: ByteBudget | undefined;
  /** Gets what a handler throws unexpectedly; the client sees only "internal error". */
  readonly report: (error: unknown) => void;
};

export interface Listener {
  /** 0 for a unix socket. */
  readonly port: number;
  /** As the system names them. */
  readonly addresses: readonly string[];
  readonly connectionCount: number;
  /**
   * Refuses new connections, lets running requests finish for at most `deadlineMs`, then cuts them.
   * Resolves when no connection is left.
   */
  close(deadlineMs: number): Promise<void>;
}

const DEFAULT_TIMEOUTS: Timeouts = { headerMs: 30_000, readMs: 60_000, writeMs: 0, idleMs: 0 };
/** Finds peers that vanished without a word. */
const KEEP_ALIVE_MS = 30_000;
const HTTP2_PREFACE = [0x50, 0x52, 0x49]; // "PRI"; no HTTP/1 method begins so

/**
 * Opens one port (on all addresses of its host) for HTTP/1.1, HTTP/2 with prior knowledge, or both;
 * with `tls` the client chooses by ALPN. Throws `unavailable` naming the port when it is taken.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { fetch, grpc, tls, budget, report } = options;
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const connections = new Connections(timeouts, () => performance.now());
  const http1 = fetch && (await createHttp1(fetch, connections, budget, report));
  const http2 =
    grpc || tls
      ? createHttp2({
          fetch,
          grpc: grpc && createGrpcHandler(grpc, timeouts.readMs, budget, report),
          maxConcurrentStreams: options.maxConcurrentStreams ?? 0,
          timeouts,
          connections,
          budget,
          report,
        })
      : undefined;

  const hand = (connection: Connection, protocol: "h1" | "h2", head?: Uint8Array) => {
    const server = protocol === "h1" ? http1 : http2;
    if (server === undefined) {
      connection.socket.destroy();
      return;
    }
    connection.protocol = protocol;
    server.accept(connection.socket, head, connection);
  };
  const onSocket = (socket: Socket) => {
    socket.on("error", () => {});
    const limit = options.maxConnections ?? 0;
    if (connections.closing || (limit > 0 && connections.size >= limit)) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const connection = connections.add(socket);
    if (tls !== undefined) {
      const secure = socket as TLSSocket;
      if (!clientCertAccepted(tls.clientCert, secure)) socket.destroy();
      else hand(connection, secure.alpnProtocol === "h2" ? "h2" : "h1");
    } else if (http1 === undefined || http2 === undefined) {
      hand(connection, http1 === undefined ? "h2" : "h1");
    } else {
      sniff(socket, (protocol, head) => hand(connection, protocol, head));
    }
  };

  let servers: Server[];
  try {
    servers = await bind(options.name, options.endpoint, () =>
      tls === undefined
        ? createServer({ allowHalfOpen: true }, onSocket)
        : tlsServer(tls, fetch !== undefined, onSocket),
    );
  } catch (error) {
    await connections.close(0);
    http1?.close();
    throw error;
  }
  const addresses = servers.map((server) => server.address());
  return {
    port: (addresses[0] as AddressInfo).port ?? 0,
    addresses: addresses.map((address) =>
      typeof address === "string" ? address : (address?.address ?? ""),
    ),
    get connectionCount() {
      return connections.size;
    },
    async close(deadlineMs) {
      const closed = servers.map(
        (server) => new Promise<void>((resolve) => server.close(() => resolve())),
      );
      await connections.close(deadlineMs);
      http1?.close();
      await Promise.all(closed);
    },
  };
}

function tlsServer(tls: TlsOptions, http1: boolean, onSocket: (socket: Socket) => void): Server {
  const server = createTlsServer({
    cert: Buffer.from(tls.cert),
    key: Buffer.from(tls.key),
    ca: tls.ca && Buffer.from(tls.ca),
    requestCert: tls.clientCert !== "none",
    rejectUnauthorized: tls.clientCert === "verified",
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ALPNProtocols: http1 ? ["h2", "http/1.1"] : ["h2"],
    handshakeTimeout: 10_000,
    allowHalfOpen: http1,
  });
  server.on("secureConnection", onSocket);
  server.on("tlsClientError", () => {});
  return server;
}

/** Tells HTTP/2 from HTTP/1 by the first bytes, which it passes on. */
function sniff(socket: Socket, found: (protocol: "h1" | "h2", head: Uint8Array) => void): void {
  let head: Uint8Array = new Uint8Array(0);
  const onData = (chunk: Uint8Array) => {
    head = head.byteLength === 0 ? chunk : Buffer.concat([head, chunk]);
    const like = HTTP2_PREFACE.every((byte, i) => i >= head.byteLength || head[i] === byte);
    if (like && head.byteLength < HTTP2_PREFACE.length) return;
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.pause();
    found(like ? "h2" : "h1", head);
  };
  const onEnd = () => socket.destroy();
  socket.on("data", onData);
  socket.once("end", onEnd);
}
