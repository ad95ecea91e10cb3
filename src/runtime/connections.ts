import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";

/** How long a connection may take for what; 0 = for ever. */
export type Timeouts = {
  /** From the first byte of a request (or the connection's start) to the end of its headers. */
  readonly headerMs: number;
  /** From there to the end of its body. */
  readonly readMs: number;
  /** From the end of the headers to the end of the response. Not for gRPC. */
  readonly writeMs: number;
  /** Without any request. HTTP/2 peers are told first. */
  readonly idleMs: number;
};

export type ActiveRequest = {
  readonly startedMs: number;
  bodyComplete: boolean;
  /** The response is a stream without an end in sight: `writeMs` does not apply. */
  lasting: boolean;
};

export type Connection = {
  readonly socket: Socket;
  protocol: "unknown" | "h1" | "h2";
  session: ServerHttp2Session | undefined;
  readonly requests: Set<ActiveRequest>;
  /** Without a request: waiting for one, or in the midst of its headers. */
  phase: "idle" | "headers";
  phaseSinceMs: number;
  /** `socket.bytesRead` when it became idle: more now means that a request has begun. */
  idleBytesRead: number;
};

/**
 * The open connections of one listener. Runtimes enforce time-outs differently or not at all (Bun),
 * and not on sockets handed from one server to another, so one slow scan does it for all of them.
 */
export class Connections {
  readonly #all = new Set<Connection>();
  readonly #timeouts: Timeouts;
  readonly #nowMs: () => number;
  readonly #timer: ReturnType<typeof setInterval>;
  #whenEmpty: (() => void) | undefined;
  #closing = false;

  constructor(timeouts: Timeouts, nowMs: () => number) {
    this.#timeouts = timeouts;
    this.#nowMs = nowMs;
    this.#timer = setInterval(() => this.#scan(), scanIntervalMs(timeouts));
    this.#timer.unref();
  }

  get size(): number {
    return this.#all.size;
  }

  get closing(): boolean {
    return this.#closing;
  }

  add(socket: Socket): Connection {
    const connection: Connection = {
      socket,
      protocol: "unknown",
      session: undefined,
      requests: new Set(),
      // Whoever connects wants something, so the first headers are due at once.
      phase: "headers",
      phaseSinceMs: this.#nowMs(),
      idleBytesRead: 0,
    };
    this.#all.add(connection);
    socket.once("close", () => {
      this.#all.delete(connection);
      if (this.#all.size === 0) this.#whenEmpty?.();
    });
    return connection;
  }

  begin(connection: Connection): ActiveRequest {
    const request = { startedMs: this.#nowMs(), bodyComplete: false, lasting: false };
    connection.requests.add(request);
    return request;
  }

  /** Returns whether the connection is to be closed now, because all are closing. */
  end(connection: Connection, request: ActiveRequest): boolean {
    connection.requests.delete(request);
    if (connection.requests.size > 0) return false;
    connection.phase = "idle";
    connection.phaseSinceMs = this.#nowMs();
    connection.idleBytesRead = connection.socket.bytesRead;
    return this.#closing;
  }

  /** Lets requests finish, for at most `deadlineMs`; then cuts what is left. */
  async close(deadlineMs: number): Promise<void> {
    this.#closing = true;
    for (const connection of this.#all) {
      if (connection.session !== undefined) connection.session.close();
      else if (connection.requests.size === 0) connection.socket.destroy();
    }
    if (this.#all.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadlineMs);
        this.#whenEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    clearInterval(this.#timer);
    for (const connection of this.#all) {
      connection.session?.destroy();
      connection.socket.destroy();
    }
  }

  #scan(): void {
    const now = this.#nowMs();
    for (const connection of this.#all) {
      if (!this.#overdue(connection, now)) continue;
      // Streams of HTTP/2 are timed one by one; here the whole connection was idle.
      if (connection.session !== undefined) connection.session.close();
      else connection.socket.destroy();
    }
  }

  #overdue(connection: Connection, now: number): boolean {
    const { headerMs, readMs, writeMs, idleMs } = this.#timeouts;
    if (connection.requests.size > 0) {
      if (connection.protocol === "h2") return false;
      for (const { startedMs, bodyComplete, lasting } of connection.requests) {
        if (!bodyComplete && isOver(readMs, now - startedMs)) return true;
        if (!lasting && isOver(writeMs, now - startedMs)) return true;
      }
      return false;
    }
    if (connection.protocol === "h2") return isOver(idleMs, now - connection.phaseSinceMs);
    if (connection.phase === "idle" && connection.socket.bytesRead > connection.idleBytesRead) {
      // It began somewhere since the last scan; close enough.
      connection.phase = "headers";
      connection.phaseSinceMs = now;
    }
    const limitMs = connection.phase === "headers" ? headerMs || readMs : idleMs;
    return isOver(limitMs, now - connection.phaseSinceMs);
  }
}

function isOver(limitMs: number, elapsedMs: number): boolean {
  return limitMs > 0 && elapsedMs > limitMs;
}

/** A quarter of the shortest time-out, so that none is late by much more than that. */
function scanIntervalMs(timeouts: Timeouts): number {
  const set = Object.values(timeouts).filter((ms) => ms > 0);
  return Math.min(1000, Math.max(25, Math.min(...set, 4000) / 4));
}
