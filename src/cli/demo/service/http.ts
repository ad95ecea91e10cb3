import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import {
  type Attributes,
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";

export type ShopRequest = {
  /** Values of the route's `{names}`. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Parsed JSON, `undefined` without a body. */
  readonly body: unknown;
};

export type ShopAnswer = { readonly status: number; readonly body: unknown };

export type Route = {
  readonly method: "GET" | "POST";
  /** e.g. `/cart/{user}`: one segment a name. */
  readonly path: string;
  handle(request: ShopRequest): Promise<ShopAnswer>;
};

const MAX_BODY_BYTES = 64 * 1024;
const CALL_TIMEOUT_MS = 3_000;
const tracer = trace.getTracer("shop-http", "0.3.0");

/** Serves the routes, each request in a SERVER span that continues the caller's trace. */
export async function listen(routes: readonly Route[], port: number): Promise<Server> {
  const server = createServer((incoming, response) => {
    void serve(routes, incoming, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function serve(
  routes: readonly Route[],
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(incoming.url ?? "/", "http://shop");
  const method = incoming.method ?? "GET";
  const found = findRoute(routes, method, url.pathname);
  const parent = propagation.extract(ROOT_CONTEXT, incoming.headers);
  await tracer.startActiveSpan(
    found === undefined ? method : `${method} ${found.route.path}`,
    {
      kind: SpanKind.SERVER,
      attributes: {
        "http.request.method": method,
        "url.path": url.pathname,
        "url.scheme": "http",
        "server.address": incoming.headers.host?.split(":")[0] ?? "localhost",
        "server.port": incoming.socket.localPort ?? 0,
        "client.address": incoming.socket.remoteAddress ?? "",
        "user_agent.original": incoming.headers["user-agent"] ?? "",
        "network.protocol.version": incoming.httpVersion,
        ...(found === undefined ? {} : { "http.route": found.route.path }),
        ...(url.search === "" ? {} : { "url.query": url.search.slice(1) }),
      },
    },
    parent,
    async (span) => {
      let answer: ShopAnswer = {
        status: 404,
        body: { error: `no route ${method} ${url.pathname}` },
      };
      try {
        if (found !== undefined) {
          const body = await readJson(incoming);
          answer = await found.route.handle({
            parameters: found.parameters,
            query: url.searchParams,
            body,
          });
        }
      } catch (error) {
        span.recordException(error as Error);
        const upstream = error instanceof CallError;
        answer = { status: upstream ? 502 : 500, body: { error: (error as Error).message } };
      }
      span.setAttribute("http.response.status_code", answer.status);
      if (answer.status >= 500) {
        span.setAttribute("error.type", String(answer.status));
        span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(answer.body) });
      }
      response.writeHead(answer.status, {
        "content-type": "application/json",
        "x-trace-id": span.spanContext().traceId,
      });
      response.end(JSON.stringify(answer.body));
      span.end();
    },
  );
}

function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { route: Route; parameters: Record<string, string> } | undefined {
  const parts = path.split("/");
  for (const route of routes) {
    const names = route.path.split("/");
    if (route.method !== method || names.length !== parts.length) continue;
    const parameters: Record<string, string> = {};
    const fits = names.every((name, i) => {
      if (!name.startsWith("{")) return name === parts[i];
      parameters[name.slice(1, -1)] = parts[i]!;
      return parts[i] !== "";
    });
    if (fits) return { route, parameters };
  }
  return undefined;
}

async function readJson(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) throw new Error(`the body exceeds ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk as Buffer);
  }
  return size === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

function messageOf(body: unknown): string {
  return typeof body === "object" && body !== null && "error" in body ? String(body.error) : "";
}

/** A service that did not answer, or answered 5xx. */
export class CallError extends Error {
  override readonly name = "CallError";
}

export type CallOptions = {
  readonly method?: "GET" | "POST";
  readonly body?: unknown;
  /** Attributes beside the usual ones, e.g. `peer.service`. */
  readonly attributes?: Attributes;
};

/** Calls another service in a CLIENT span whose context travels along. Throws `CallError` on 5xx. */
export async function call(
  baseUrl: string,
  path: string,
  options: CallOptions = {},
): Promise<ShopAnswer> {
  const url = new URL(path, baseUrl);
  const method = options.method ?? "GET";
  return await tracer.startActiveSpan(
    method,
    {
      kind: SpanKind.CLIENT,
      attributes: {
        "http.request.method": method,
        "url.full": url.href,
        "server.address": url.hostname,
        "server.port": Number(url.port),
        ...options.attributes,
      },
    },
    async (span) => {
      try {
        const answer = await send(url, method, options.body);
        span.setAttribute("http.response.status_code", answer.status);
        if (answer.status >= 500) throw new CallError(`${url.pathname}: ${messageOf(answer.body)}`);
        if (answer.status >= 400) span.setStatus({ code: SpanStatusCode.ERROR });
        return answer;
      } catch (error) {
        span.setAttribute("error.type", (error as Error).name);
        span.recordException(error as Error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
        throw error;
      } finally {
        span.end();
      }
    },
  );
}

/** The bare exchange: what instrumentation wraps. Headers carry the active context. */
export async function send(
  url: URL,
  method: string,
  body: unknown,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<ShopAnswer> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  propagation.inject(context.active(), headers);
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(url, { method, headers, timeout: timeoutMs }, resolve);
    outgoing.once("timeout", () =>
      outgoing.destroy(new CallError(`${url.host} gave no answer within ${timeoutMs} ms`)),
    );
    outgoing.once("error", (error) =>
      reject(error instanceof CallError ? error : new CallError(error.message, { cause: error })),
    );
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
  return { status: incoming.statusCode ?? 0, body: await readJson(incoming) };
}
