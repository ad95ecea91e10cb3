import { PintailError } from "../../errors.ts";
import {
  instantRequest,
  type MetricsRules,
  rangeRequest,
} from "../../query/metrics/metrics-request.ts";
import { queryInstant, queryRange } from "../../query/metrics/query-metrics.ts";
import { jsonText } from "../wire/json-text.ts";
import { instantToJson, rangeToJson } from "../wire/metrics-response.ts";
import { strictestLimits } from "./limits.ts";
import { instantParams, rangeParams } from "./metrics-params.ts";
import { answer, JSON_TYPE } from "./respond.ts";
import type { ApiHandler, QueryRouteParts } from "./route-context.ts";

/** `/api/metrics/query_range` */
export function metricsRangeRoute(parts: QueryRouteParts): ApiHandler {
  const { engine } = parts;
  return async ({ params, tenants, request }) => {
    const rules = rulesFor(parts, tenants);
    const query = rangeRequest(rangeParams(params, rules.nowMs), rules);
    const { signal } = request;
    const result = await queryRange(engine, { tenants, signal, ...query });
    return answer(request, JSON_TYPE, jsonText(rangeToJson(result)));
  };
}

/** `/api/metrics/query` */
export function metricsInstantRoute(parts: QueryRouteParts): ApiHandler {
  const { engine } = parts;
  return async ({ params, tenants, request }) => {
    const rules = rulesFor(parts, tenants);
    const query = instantRequest(instantParams(params, rules.nowMs), rules);
    const { signal } = request;
    const result = await queryInstant(engine, { tenants, signal, ...query });
    return answer(request, JSON_TYPE, jsonText(instantToJson(result)));
  };
}

/** What Tempo 3 no longer has under `/api/metrics/`, and what it never had. */
export const noMetricsRoute: ApiHandler = () => {
  throw new PintailError("not_found", "404 page not found");
};

function rulesFor({ engine }: QueryRouteParts, tenants: readonly string[]): MetricsRules {
  const { settings, limitsFor, nowMs } = engine.context;
  const limits = strictestLimits(tenants.map((tenant) => limitsFor(tenant)));
  return { nowMs: nowMs(), settings, limits };
}
