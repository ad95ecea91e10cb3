import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { drained, LazyAbort, STALLED_MS } from "../http/fetch-bridge.ts";
import { flatten } from "../http/http2.ts";
import type { UniversalHandler, UniversalResponse } from "./service.ts";
import { GrpcCode, percentEncode } from "./status.ts";

/**
 * Serves one stream with a universal handler. Never rejects; calls `ended` once with the gRPC code
 * of the answer.
 */
export async function serveUniversalCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  handler: UniversalHandler,
  ended: (code: number) => void,
  report: (error: unknown) => void,
): Promise<void> {
  const gone = new LazyAbort();
  let complete = false;
  stream.once("close", () => {
    if (!complete) gone.abort();
  });
  let code: number = GrpcCode.cancelled;
  try {
    const response = await handler({
      httpVersion: "2.0",
      url: `http://${headers[":authority"] ?? "localhost"}${handler.requestPath}`,
      method: String(headers[":method"]),
      header: toHeaders(headers),
      body: chunksOf(stream),
      signal: gone.signal,
    });
    await send(stream, response);
    if (!gone.aborted) code = outcomeOf(response);
  } catch (error) {
    if (!gone.aborted) {
      report(error);
      code = GrpcCode.internal;
      if (!stream.destroyed) stream.close(2);
    }
  } finally {
    complete = true;
    ended(code);
  }
}

/**
 * Known only at the end: a streaming handler fills its trailers while it runs. The other protocols
 * (gRPC-Web, Connect) have their status in the body, where only the client looks.
 */
function outcomeOf({ status, header, trailer }: UniversalResponse): number {
  const code = trailer?.get("grpc-status") ?? header?.get("grpc-status");
  if (code !== null && code !== undefined) return Number(code);
  const others = header
    ?.get("content-type")
    ?.match(/^application\/(grpc-web|connect\+|proto$|json$)/);
  return status === 200 && others ? GrpcCode.ok : GrpcCode.unknown;
}

async function send(stream: ServerHttp2Stream, response: UniversalResponse): Promise<void> {
  const { body } = response;
  if (body === undefined) {
    if (stream.destroyed) return;
    const trailers = response.trailer === undefined ? {} : toRecord(response.trailer);
    stream.respond(headOf(response, trailers), { endStream: true });
    if (!stream.readableEnded) stream.resume();
    return;
  }
  const chunks = body[Symbol.asyncIterator]();
  let next = await chunks.next();
  // Only now: the handler may set headers until its first message.
  if (!stream.destroyed) stream.respond(headOf(response, {}), { waitForTrailers: true });
  for (; next.done !== true; next = await chunks.next()) {
    if (stream.destroyed || stream.closed) {
      await chunks.return?.();
      return;
    }
    if (!stream.write(next.value)) await drained(stream, STALLED_MS);
  }
  if (stream.destroyed || stream.closed) return;
  const { trailer } = response;
  stream.once("wantTrailers", () => {
    stream.sendTrailers(trailer === undefined ? {} : toRecord(trailer));
  });
  stream.end();
  if (!stream.readableEnded) stream.resume();
}

function headOf(
  response: UniversalResponse,
  more: Record<string, string>,
): Record<string, string | number> {
  const head: Record<string, string | number> = { ":status": response.status };
  if (response.header !== undefined) Object.assign(head, toRecord(response.header));
  return Object.assign(head, more);
}

/** The loop may stop early without destroying the stream, which still has to be answered. */
async function* chunksOf(stream: ServerHttp2Stream): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) yield chunk;
}

function toHeaders(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  const flat = flatten(headers);
  for (let i = 0; i < flat.length; i += 2) result.append(flat[i] as string, flat[i + 1] as string);
  return result;
}

function toRecord(headers: Headers): Record<string, string> {
  const record = Object.fromEntries(headers);
  const message = record["grpc-message"];
  // Connect escapes more than gRPC asks for, which some clients (grpc-js) show as it came.
  if (message !== undefined) record["grpc-message"] = percentEncode(decodeURIComponent(message));
  return record;
}
