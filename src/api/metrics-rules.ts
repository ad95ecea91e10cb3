import type { MetricsRules } from "../query/metrics/metrics-request.ts";
import type { QueryContext } from "../query/query-context.ts";
import { strictestLimits } from "./http/limits.ts";

/** What bounds a metrics query of these tenants, asked now. */
export function metricsRules(context: QueryContext, tenants: readonly string[]): MetricsRules {
  const { settings, limitsFor, nowMs } = context;
  const limits = strictestLimits(tenants.map((tenant) => limitsFor(tenant)));
  return { nowMs: nowMs(), settings, limits };
}
