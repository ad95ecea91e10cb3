import { Hono, type MiddlewareHandler } from "hono";
import { PintailError } from "../../errors.ts";
import type { Tails } from "../../query/tail/tails.ts";
import { textErrorResponse, textNotFound } from "../../server/text-error.ts";
import { exportRoute } from "./export-route.ts";
import { JAEGER_PATHS } from "./jaeger-paths.ts";
import { addLazyRoutes } from "./lazy-routes.ts";
import { metricsInstantRoute, metricsRangeRoute, noMetricsRoute } from "./metrics-routes.ts";
import { decodedPathPart } from "./path-part.ts";
import {
  type ApiHandler,
  type ApiRequest,
  apiRoute,
  type QueryRouteParts,
} from "./route-context.ts";
import { searchRoute } from "./search-routes.ts";
import { addApiStatusRoutes, addStatusRoutes, type StatusParts } from "./status-routes.ts";
import { tagsV1, tagsV2, tagValuesV1, tagValuesV2 } from "./tag-routes.ts";
import { tailRoute } from "./tail-route.ts";
import { traceV1, traceV2 } from "./trace-routes.ts";
import { ZIPKIN_PATHS } from "./zipkin-paths.ts";

export type QueryApiParts = QueryRouteParts & {
  readonly tails: Tails;
  readonly status: StatusParts;
  /** Prefix of `/api/…`; "" or a path that begins with "/". */
  readonly apiPrefix: string;
};

/** Tempo's HTTP query API and the operational pages. */
export function queryRoutes(parts: QueryApiParts): Hono {
  const app = new Hono();
  const prefix = parts.apiPrefix.replace(/\/+$/, "");
  const denied = denyList(parts);
  app.use(`${prefix}/api/*`, denied);
  app.use(`${prefix}/zipkin/api/*`, denied);
  app.use(`${prefix}/jaeger/api/*`, denied);
  const add = (path: string, handler: ApiHandler): void => {
    app.all(`${prefix}${path}`, apiRoute(parts, handler));
  };
  add("/api/traces/:id", traceV1(parts, idOf));
  add("/api/v2/traces/:id", traceV2(parts, idOf));
  add("/api/search", searchRoute(parts));
  add("/api/tail", tailRoute(parts));
  add("/api/export", exportRoute(parts));
  add("/api/search/tags", tagsV1(parts));
  add("/api/v2/search/tags", tagsV2(parts));
  // The tag may hold slashes, escaped or not, and line breaks.
  add("/api/search/tag/:tag{[\\s\\S]+}/values", tagValuesV1(parts, tagOf));
  add("/api/v2/search/tag/:tag{[\\s\\S]+}/values", tagValuesV2(parts, tagOf));
  add("/api/metrics/query_range", metricsRangeRoute(parts));
  add("/api/metrics/query", metricsInstantRoute(parts));
  add("/api/metrics/*", noMetricsRoute);
  addLazyRoutes(app, `${prefix}/zipkin`, ZIPKIN_PATHS, async (base) =>
    (await import("./zipkin-routes.ts")).zipkinRoutes(parts, base),
  );
  addLazyRoutes(app, `${prefix}/jaeger/api`, JAEGER_PATHS, async (base) =>
    (await import("./jaeger-routes.ts")).jaegerRoutes(parts, base),
  );
  // It is off; Tempo asks for the tenant all the same.
  add("/api/mcp", () => {
    throw new PintailError("not_found", "404 page not found");
  });
  addApiStatusRoutes(app, prefix, parts.status);
  addStatusRoutes(app, parts.status);
  app.notFound(textNotFound);
  app.onError((error) => textErrorResponse(error, parts.log));
  return app;
}

/** Last part of the path, decoded once. */
function idOf({ rawPath }: ApiRequest): string {
  return decodedPathPart(rawPath.slice(rawPath.lastIndexOf("/") + 1));
}

/** What stands between `/tag/` and the closing `/values`, decoded once. */
function tagOf({ rawPath }: ApiRequest): string {
  const match = /\/search\/tag\/(.*)\/values$/.exec(rawPath);
  return decodedPathPart(match?.[1] ?? "");
}

/** Refuses URLs that match one of the operator's patterns. */
function denyList(parts: QueryApiParts): MiddlewareHandler {
  const patterns = parts.engine.context.settings.urlDenyList.map(patternOf);
  return async (c, next) => {
    if (patterns.length > 0) {
      const { pathname, search } = new URL(c.req.url);
      const target = pathname + search;
      if (patterns.some((pattern) => pattern.test(target))) {
        const message = `Invalid request ${target.slice(0, 2000)}. This query has been identified as one that destabilizes our system. Contact your system administrator for more information`;
        return textErrorResponse(new PintailError("invalid", message), parts.log);
      }
    }
    await next();
  };
}

function patternOf(pattern: string): RegExp {
  try {
    return new RegExp(pattern, "u");
  } catch (cause) {
    throw new PintailError(
      "invalid",
      `url_deny_list: ${JSON.stringify(pattern)} is no valid pattern`,
      {
        cause,
      },
    );
  }
}
