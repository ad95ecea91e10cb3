import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { ByteBudget } from "../byte-budget.ts";
import { isGrpc, limitReading, type StreamHandler } from "../http/http2.ts";
import { ACCEPT_ENCODING, endWithTrailers, serveRawCall } from "./raw-call.ts";
import type { GrpcService } from "./service.ts";
import { GrpcCode, type GrpcStatus } from "./status.ts";
import { parseGrpcTimeout } from "./timeout.ts";
import { serveUniversalCall } from "./universal-call.ts";

/** Finds the method of a stream and serves it; answers what is not a proper gRPC request. */
export function createGrpcHandler(
  service: GrpcService,
  readTimeoutMs: number,
  budget: ByteBudget | undefined,
  report: (error: unknown) => void,
): StreamHandler {
  const methods = new Map(service.methods?.map((method) => [method.path, method]));
  const universal = new Map(service.universal?.map((handler) => [handler.requestPath, handler]));
  return (stream, headers) => {
    const path = String(headers[":path"]);
    const startedMs = performance.now();
    const observe = (code: number) => {
      service.observe?.(path, code, performance.now() - startedMs);
    };
    // These know the content types of gRPC-Web and Connect too.
    const handler = universal.get(path);
    if (handler !== undefined) {
      limitReading(stream, headers, readTimeoutMs);
      void serveUniversalCall(stream, headers, handler, observe, report);
      return;
    }
    if (headers[":method"] !== "POST") return refuse(stream, 405);
    if (!isGrpcContent(headers)) return refuse(stream, 415);
    const method = methods.get(path);
    if (method !== undefined) {
      const deadlineMs = parseGrpcTimeout(headers["grpc-timeout"] as string | undefined);
      if (Number.isNaN(deadlineMs)) {
        const message = `malformed grpc-timeout '${headers["grpc-timeout"]}'`;
        answer(stream, { code: GrpcCode.internal, message });
        return observe(GrpcCode.internal);
      }
      serveRawCall(stream, headers, method, {
        toStatus: service.toStatus,
        deadlineMs,
        readTimeoutMs,
        budget,
        ended: (status) => observe(status.code),
      });
      return;
    }
    // Not observed: the paths of strangers must not become label values.
    answer(stream, { code: GrpcCode.unimplemented, message: unknownMethod(path) });
  };
}

function isGrpcContent(headers: IncomingHttpHeaders): boolean {
  if (!isGrpc(headers)) return false;
  const rest = headers["content-type"]?.slice("application/grpc".length) ?? "";
  return rest === "" || rest === "+proto" || rest.startsWith(";") || rest.startsWith("+proto;");
}

function unknownMethod(path: string): string {
  const slash = path.lastIndexOf("/");
  return `unknown method ${path.slice(slash + 1)} for service ${path.slice(1, Math.max(slash, 1))}`;
}

function refuse(stream: ServerHttp2Stream, status: number): void {
  if (stream.destroyed) return;
  stream.respond({ ":status": status }, { endStream: true });
  stream.resume();
}

function answer(stream: ServerHttp2Stream, status: GrpcStatus): void {
  const headers = {
    ":status": 200,
    "content-type": "application/grpc",
    "grpc-accept-encoding": ACCEPT_ENCODING,
  };
  endWithTrailers(stream, headers, status);
}
