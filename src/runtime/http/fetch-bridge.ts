import type { Readable, Writable } from "node:stream";
import type { ByteBudget } from "../byte-budget.ts";
import type { FetchHandler, RequestEnv } from "./handler.ts";
import { BudgetShare, readBody } from "./read-body.ts";

/** One request and the way to its response, the same for HTTP/1.1 and HTTP/2. */
export type Exchange = {
  readonly method: string;
  /** As in the request line. */
  readonly target: string;
  readonly scheme: "http" | "https";
  readonly authority: string | undefined;
  readonly remoteAddress: string;
  /** Name, value, name, value … */
  readonly rawHeaders: readonly string[];
  readonly incoming: Readable;
  /** Emits `close` when the response is complete or the client is gone. */
  readonly outgoing: Writable;
  respond(status: number, headers: Headers): void;
  /** Ends the response; deals with what the client may still be sending. */
  finish(): void;
  /** Called before the first byte of the body is asked for. */
  beforeBody(): void;
  /** Takes the time-out for the whole response away. */
  keepOpen(): void;
};

/** A client that takes nothing of a lasting stream for so long is given up. */
export const STALLED_MS = 60_000;

/**
 * Runs `handler` for one exchange. Never rejects: what the handler throws goes to `report` and
 * becomes a 500.
 */
export async function serveFetch(
  handler: FetchHandler,
  exchange: Exchange,
  budget: ByteBudget | undefined,
  report: (error: unknown) => void,
): Promise<void> {
  const share = new BudgetShare(budget);
  const gone = new LazyAbort();
  const pace: Pace = { stalledMs: undefined };
  let complete = false;
  exchange.outgoing.once("close", () => {
    if (!complete) gone.abort();
  });
  try {
    const request = toRequest(exchange, gone);
    if (request === undefined) {
      await send(exchange, new Response("bad request", { status: 400 }), pace);
    } else {
      await send(exchange, await handler(request, envOf(exchange, share, pace)), pace);
    }
  } catch (error) {
    if (gone.aborted || exchange.outgoing.destroyed) return;
    report(error);
    await failed(exchange);
  } finally {
    complete = true;
    share.release();
  }
}

/** How long a client may take nothing; undefined = as long as the whole response may take. */
type Pace = { stalledMs: number | undefined };

async function failed(exchange: Exchange): Promise<void> {
  try {
    const pace = { stalledMs: undefined };
    await send(exchange, new Response("internal error", { status: 500 }), pace);
  } catch {
    // The response had begun: cutting it off is the only way left to tell.
    exchange.outgoing.destroy();
  }
}

function envOf(exchange: Exchange, share: BudgetShare, pace: Pace): RequestEnv {
  return {
    remoteAddress: exchange.remoteAddress,
    readBody(maxBytes) {
      exchange.beforeBody();
      return readBody(exchange.incoming, maxBytes, share);
    },
    keepOpen() {
      pace.stalledMs = STALLED_MS;
      exchange.keepOpen();
    },
  };
}

/** Undefined when the request line or a header is not one that a URL or `Headers` can hold. */
function toRequest(exchange: Exchange, gone: LazyAbort): Request | undefined {
  const { method, target, authority, rawHeaders } = exchange;
  try {
    const headers = new Headers();
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string;
      if (!name.startsWith(":")) headers.append(name, rawHeaders[i + 1] as string);
    }
    const bodyless = method === "GET" || method === "HEAD";
    const init: RequestInit & { duplex?: "half" } = { method, headers };
    if (!bodyless) {
      init.body = bodyStream(exchange);
      init.duplex = "half";
    }
    const request = new Request(urlOf(exchange.scheme, authority, target), init);
    // A signal given to the constructor is copied, which costs more than all the rest.
    Object.defineProperty(request, "signal", { get: () => gone.signal });
    return request;
  } catch {
    return undefined;
  }
}

function urlOf(scheme: string, authority: string | undefined, target: string): string {
  const host = authority !== undefined && /^[\w.:[\]-]+$/.test(authority) ? authority : "localhost";
  if (target.startsWith("/")) return `${scheme}://${host}${target}`;
  if (target === "*") return `${scheme}://${host}/`;
  const absolute = new URL(target);
  return `${scheme}://${host}${absolute.pathname}${absolute.search}`;
}

/** Touches the socket only when somebody reads. */
function bodyStream(exchange: Exchange): ReadableStream<Uint8Array> {
  let chunks: AsyncIterator<Uint8Array> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (chunks === undefined) {
          exchange.beforeBody();
          chunks = exchange.incoming[Symbol.asyncIterator]();
        }
        const next = await chunks.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
    },
    { highWaterMark: 0 },
  );
}

async function send(exchange: Exchange, response: Response, pace: Pace): Promise<void> {
  const { outgoing } = exchange;
  const headers = new Headers(response.headers);
  const body = response.body;
  if (outgoing.destroyed) {
    await body?.cancel();
    return;
  }
  if (body === null || exchange.method === "HEAD") {
    // Of a HEAD the length would be that of the body that a GET gets.
    const bodyless = exchange.method === "HEAD" || [204, 304].includes(response.status);
    if (!bodyless && response.status >= 200 && !headers.has("content-length")) {
      headers.set("content-length", "0");
    }
    exchange.respond(response.status, headers);
    exchange.finish();
    await body?.cancel();
    return;
  }
  const reader = body.getReader();
  const cancel = () => {
    reader.cancel().catch(() => {});
  };
  outgoing.once("close", cancel);
  try {
    let chunk = await reader.read();
    // A body that is already whole is sent with its length instead of in chunks.
    let next = chunk.done ? undefined : reader.read();
    if (next !== undefined && !headers.has("content-length")) {
      const peeked = await Promise.race([next, soon()]);
      if (peeked?.done === true && chunk.value !== undefined) {
        headers.set("content-length", String(chunk.value.byteLength));
      }
    }
    exchange.respond(response.status, headers);
    while (!chunk.done) {
      if (!outgoing.write(chunk.value)) await drained(outgoing, pace.stalledMs);
      if (outgoing.destroyed) return;
      chunk = await (next ?? reader.read());
      next = undefined;
    }
    exchange.finish();
  } finally {
    outgoing.off("close", cancel);
  }
}

function soon(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(resolve, undefined));
}

/** Resolves when `writable` takes more, or is gone; destroys it when that takes `stalledMs`. */
export function drained(writable: Writable, stalledMs?: number): Promise<void> {
  if (writable.destroyed || !writable.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const timer =
      stalledMs === undefined ? undefined : setTimeout(() => writable.destroy(), stalledMs);
    const done = () => {
      clearTimeout(timer);
      writable.off("drain", done);
      writable.off("close", done);
      resolve();
    };
    writable.on("drain", done);
    writable.on("close", done);
  });
}

/** An `AbortController` that exists only when somebody asks for its signal. */
export class LazyAbort {
  #controller: AbortController | undefined;
  #reason: unknown;
  aborted = false;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  abort(reason: unknown = new DOMException("the client went away", "AbortError")): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
