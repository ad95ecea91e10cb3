import type { Context } from "hono";
import type { QueryEngine } from "../../query/query-context.ts";
import type { HonoEnv } from "../../server/body.ts";
import { type ReadTenantRules, readTenants, tenantHeaderValues } from "../../server/tenant.ts";
import { textErrorResponse } from "../../server/text-error.ts";
import type { Logger } from "../../telemetry/logger.ts";

/** What the query routes are built from. */
export type QueryRouteParts = {
  readonly engine: QueryEngine;
  readonly log: Logger;
  readonly tenantRules: ReadTenantRules;
};

/** One request of a query route. */
export type ApiRequest = {
  readonly request: Request;
  readonly params: URLSearchParams;
  /** The path as sent, not decoded. */
  readonly rawPath: string;
  /** At least one. */
  readonly tenants: readonly string[];
  /** The answer is a stream that may last. */
  readonly keepOpen: () => void;
};

export type ApiHandler = (request: ApiRequest) => Promise<Response> | Response;

/** Finds the tenant, then calls the handler; errors become plain text or what `errorResponse` says. */
export function apiRoute(
  parts: QueryRouteParts,
  handler: ApiHandler,
  errorResponse: (error: unknown, log: Logger) => Response = textErrorResponse,
): (c: Context) => Promise<Response> {
  return async (c: Context<HonoEnv>) => {
    const request = c.req.raw;
    try {
      const tenants = readTenants(tenantHeaderValues(request.headers), parts.tenantRules);
      const url = new URL(request.url);
      return await handler({
        request,
        params: url.searchParams,
        rawPath: url.pathname,
        tenants,
        // Tests and other hosts have no `env`.
        keepOpen: () => c.env?.keepOpen?.(),
      });
    } catch (error) {
      return errorResponse(error, parts.log);
    }
  };
}
