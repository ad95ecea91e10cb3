import type { MiddlewareHandler } from "hono";
import type { CorsSettings } from "./settings.ts";

const METHODS = new Set(["GET", "POST", "HEAD"]);
const DEFAULT_HEADERS = ["accept", "content-type", "x-requested-with"];

/**
 * Cross-origin requests for a receiver, as the Collector answers them. Install it only when there
 * are allowed origins: without it an OPTIONS is a 405.
 */
export function cors(settings: CorsSettings): MiddlewareHandler {
  const anyOrigin = settings.allowedOrigins.includes("*");
  const patterns = settings.allowedOrigins.map(originPattern);
  const headers = settings.allowedHeaders.length > 0 ? settings.allowedHeaders : DEFAULT_HEADERS;
  const anyHeader = headers.includes("*");
  const headerSet = new Set(headers.map((header) => header.toLowerCase()));

  const allowedOrigin = (origin: string | undefined): string | undefined => {
    if (origin === undefined) return undefined;
    if (anyOrigin) return "*";
    const lower = origin.toLowerCase();
    return patterns.some((matches) => matches(lower)) ? origin : undefined;
  };

  return async (c, next) => {
    const origin = allowedOrigin(c.req.header("origin"));
    const method = c.req.header("access-control-request-method");
    if (c.req.method !== "OPTIONS" || method === undefined) {
      await next();
      c.header("vary", "Origin", { append: true });
      if (origin !== undefined) allowOrigin(c.res.headers, origin);
      return;
    }
    const response = new Response(null, { status: 204 });
    response.headers.set(
      "vary",
      "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    );
    const asked = c.req.header("access-control-request-headers") ?? "";
    const askedNames = asked.split(",").map((name) => name.trim().toLowerCase());
    const headersAllowed =
      asked === "" || anyHeader || askedNames.every((name) => headerSet.has(name));
    if (origin !== undefined && METHODS.has(method) && headersAllowed) {
      allowOrigin(response.headers, origin);
      response.headers.set("access-control-allow-methods", method);
      if (asked !== "") response.headers.set("access-control-allow-headers", asked);
      if (settings.maxAgeSeconds > 0) {
        response.headers.set("access-control-max-age", String(settings.maxAgeSeconds));
      }
    }
    return response;
  };
}

function allowOrigin(headers: Headers, origin: string): void {
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-allow-credentials", "true");
}

/** At most one `*` stands for any text. */
function originPattern(allowed: string): (origin: string) => boolean {
  const pattern = allowed.toLowerCase();
  const star = pattern.indexOf("*");
  if (star < 0) return (origin) => origin === pattern;
  const before = pattern.slice(0, star);
  const after = pattern.slice(star + 1);
  return (origin) =>
    origin.length >= before.length + after.length &&
    origin.startsWith(before) &&
    origin.endsWith(after);
}
