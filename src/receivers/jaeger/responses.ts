import { isPintailError } from "../../errors.ts";
import { GrpcCode, type GrpcStatus } from "../../runtime/grpc/status.ts";
import { mapError } from "../../server/error-map.ts";
import { errorStatus } from "../otlp/responses.ts";

/** The gRPC answer to a failed push. */
export function pushErrorStatus(error: unknown): GrpcStatus {
  const { status, message } = mapError(error);
  // What OTLP calls "try again" (no tenant, a full disk, a failure inside) has no code of its own here.
  if (status.push.http === 503) return { code: GrpcCode.unknown, message };
  return errorStatus(error);
}

/** The HTTP answer to a failed push: whatever is not wrong with the body itself is 500. */
export function pushErrorResponse(error: unknown): Response {
  if (isPintailError(error, "malformed")) return badRequest(`cannot decode body: ${error.message}`);
  return textResponse(500, `Cannot submit Jaeger batch: ${mapError(error).message}`);
}

/** Such messages may hold what was sent, so they are safe to be shown in a page. */
export function badRequest(message: string): Response {
  return textResponse(400, escapeHtml(message));
}

export function textResponse(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body, {
    status,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&#34;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!);
}
