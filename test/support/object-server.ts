import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ObjectFault, ObjectFaults } from "./object-faults.ts";

export type FakeRequest = {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

export type FakeResponse = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
};

/** One protocol of a fake store: carries a request out, and knows how its errors look. */
export interface FakeProtocol {
  handle(request: FakeRequest): FakeResponse;
  /** The answer that stands for a fault. */
  failure(fault: "status_500" | "status_503" | "slow_down" | "late_404"): FakeResponse;
  /** The same answer with another version of the object. */
  withOtherVersion(response: FakeResponse): FakeResponse;
}

/** Longer than the patience of the clients in these tests. */
export const FAULT_DELAY_MS = 1200;
const MAX_BODY_BYTES = 64 * 1024 * 1024;

export type ObjectServer = {
  /** `host:port`. */
  readonly address: string;
  /** Requests so far, as `METHOD /path?query`. */
  readonly requests: string[];
  close(): Promise<void>;
};

/** Serves `protocol` over HTTP on a free port, with faults between it and the client. */
export async function startObjectServer(
  protocol: FakeProtocol,
  faults: ObjectFaults,
): Promise<ObjectServer> {
  const requests: string[] = [];
  const server = http.createServer((incoming, outgoing) => {
    void serve(protocol, faults, requests, incoming, outgoing).catch((e) => {
      // A fake that fails is a fault of the test, not of the store.
      console.error(e);
      outgoing.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  protocol: FakeProtocol,
  faults: ObjectFaults,
  requests: string[],
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  let gone = false;
  outgoing.on("close", () => {
    gone = true;
  });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_BODY_BYTES) return void outgoing.destroy();
      chunks.push(chunk);
    }
  } catch {
    // The client gave up.
    return;
  }
  const method = incoming.method ?? "";
  requests.push(`${method} ${incoming.url}`);
  const request: FakeRequest = {
    method,
    url: new URL(incoming.url ?? "/", `http://${incoming.headers.host}`),
    headers: Object.fromEntries(
      Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
    ),
    body: Buffer.concat(chunks),
  };
  const fault = faults.next(method);
  switch (fault) {
    case "status_500":
    case "status_503":
    case "slow_down":
      return send(outgoing, method, protocol.failure(fault));
    case "reset":
      return void outgoing.destroy();
    case "delay":
      await new Promise((resolve) => setTimeout(resolve, FAULT_DELAY_MS));
      if (gone) return;
      return send(outgoing, method, protocol.handle(request));
    case "lost_response":
      protocol.handle(request);
      return void outgoing.destroy();
    case "done_500":
      protocol.handle(request);
      return send(outgoing, method, protocol.failure("status_500"));
    default:
      return send(outgoing, method, faulty(protocol, request, fault), fault === "cut_body");
  }
}

function faulty(
  protocol: FakeProtocol,
  request: FakeRequest,
  fault: ObjectFault | undefined,
): FakeResponse {
  const { range } = request.headers;
  const reads = request.method === "GET" || request.method === "HEAD";
  if (fault === "late_404" && reads) return protocol.failure("late_404");
  if (fault === "short_range" && range !== undefined) {
    const [, start = "0", end = "0"] = /bytes=(\d+)-(\d+)/.exec(range) ?? [];
    if (Number(end) > Number(start)) {
      const headers = { ...request.headers, range: `bytes=${start}-${Number(end) - 1}` };
      // A signature is of what was sent, so the protocol must not look at it again.
      return protocol.handle({ ...request, headers: { ...headers, "x-fake-trusted": "yes" } });
    }
  }
  const response = protocol.handle(request);
  // A HEAD is what a client settles doubts with: nothing is left to doubt it by.
  const doubtful = fault === "wrong_version" && request.method !== "HEAD";
  return doubtful ? protocol.withOtherVersion(response) : response;
}

function send(outgoing: ServerResponse, method: string, response: FakeResponse, cut = false): void {
  const body = Buffer.from(response.body ?? "");
  const headers = { "content-length": String(body.length), ...response.headers };
  outgoing.writeHead(response.status, headers);
  if (method === "HEAD" || response.status === 204) return void outgoing.end();
  if (cut && body.length > 1) {
    outgoing.write(body.subarray(0, body.length >> 1), () => outgoing.destroy());
    return;
  }
  outgoing.end(body);
}

/** `[start, end)` of a Range header; `undefined` for none, `"unsatisfiable"` beyond the end. */
export function rangeOf(
  header: string | undefined,
  sizeBytes: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes=(\d+)-(\d+)$/.exec(header);
  if (match === null) return undefined;
  const start = Number(match[1]);
  if (start >= sizeBytes) return "unsatisfiable";
  return { start, end: Math.min(Number(match[2]) + 1, sizeBytes) };
}

/** One page of sorted keys, folded at the delimiter. `after` is the last key or prefix before it. */
export function pageOf(
  keys: readonly string[],
  options: { prefix: string; delimiter: string; after: string; limit: number },
): { keys: string[]; prefixes: string[]; next: string | undefined } {
  const { prefix, delimiter, after, limit } = options;
  const page = { keys: [] as string[], prefixes: [] as string[] };
  let last = after;
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const cut = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    const item = cut < 0 ? key : key.slice(0, cut + 1);
    if (item <= last) continue;
    if (page.keys.length + page.prefixes.length === limit) return { ...page, next: last };
    last = item;
    if (cut < 0) page.keys.push(key);
    else page.prefixes.push(item);
  }
  return { ...page, next: undefined };
}
