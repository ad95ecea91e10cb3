import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Logger } from "../telemetry/logger.ts";
import { mapError } from "./error-map.ts";

const TEXT = "text/plain; charset=utf-8";
/** Tempo writes these through a helper that ends the line; all others are bare. */
const WITH_NEWLINE = new Set([401, 404, 422]);

/** The answer of a query route to an error: plain text, as Grafana shows it. */
export function textErrorResponse(error: unknown, log: Logger): Response {
  const { status, message, retryAfterMs, unexpected } = mapError(error);
  if (unexpected) log.error("request failed", { error });
  const headers = new Headers({ "content-type": TEXT });
  if (retryAfterMs !== undefined && retryAfterMs > 0) {
    headers.set("retry-after", String(Math.max(1, Math.trunc(retryAfterMs / 1000))));
  }
  const body = WITH_NEWLINE.has(status.http) ? `${message}\n` : message;
  return new Response(body, { status: status.http, headers });
}

/** For `Hono.notFound`. */
export function textNotFound(c: Context): Response {
  return c.body("404 page not found\n", 404 as ContentfulStatusCode, { "content-type": TEXT });
}
