import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { GrpcCode } from "../runtime/grpc/status.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricRegistry } from "../telemetry/metrics.ts";

const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 25, 50, 100];
const METHODS = new Set(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]);

export type RequestMetrics = {
  /** Hono middleware for all routes of a server. */
  readonly http: MiddlewareHandler;
  /** For `GrpcService.observe`. */
  readonly grpc: (path: string, code: number, durationMs: number) => void;
};

/**
 * `tempo_request_duration_seconds` with Tempo's label values, and one debug record a request.
 * `nameRoute` turns a route's template into its label, `routeLabel` by default.
 */
export function requestMetrics(
  registry: MetricRegistry,
  log: Logger,
  monotonicMs: () => number,
  nameRoute: (template: string) => string = routeLabel,
): RequestMetrics {
  const duration = registry.histogram({
    name: "tempo_request_duration_seconds",
    help: "Time (in seconds) spent serving requests.",
    labels: ["method", "route", "status_code", "ws"],
    buckets: BUCKETS,
  });
  const inflight = registry.gauge({
    name: "tempo_inflight_requests",
    help: "Current number of inflight requests.",
    labels: ["method", "route"],
  });
  const observe = (method: string, route: string, status_code: string, durationMs: number) => {
    duration.observe({ method, route, status_code, ws: "false" }, durationMs / 1000);
    log.debug("request served", { method, route, statusCode: status_code, durationMs });
  };
  return {
    async http(c, next) {
      const startedMs = monotonicMs();
      const method = METHODS.has(c.req.method) ? c.req.method : "other";
      // The last handler that matches is the route; before it runs only its template is known.
      const route = nameRoute(routePath(c, -1));
      inflight.add({ method, route }, 1);
      try {
        await next();
      } finally {
        inflight.add({ method, route }, -1);
        observe(method, route, String(c.res.status), monotonicMs() - startedMs);
      }
    },
    grpc(path, code, durationMs) {
      observe("gRPC", path, grpcOutcome(code), durationMs);
    },
  };
}

/** `/api/traces/:traceID` → `api_traces_traceid`; the root is `root`, a catch-all `other`. */
export function routeLabel(template: string): string {
  // A parameter's pattern, as in `:tag{.+}`, is no part of its name.
  const path = template.replace(/\{[^}]*\}/g, "");
  if (path.includes("*")) return "other";
  const label = path
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");
  return label === "" ? "root" : label;
}

function grpcOutcome(code: number): string {
  if (code === GrpcCode.ok) return "success";
  return code === GrpcCode.cancelled ? "cancel" : "error";
}
