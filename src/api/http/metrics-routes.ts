import { PintailError } from "../../errors.ts";
import { pipelinesOf } from "../../query/metrics/compile-metrics.ts";
import { instantRequest, rangeRequest } from "../../query/metrics/metrics-request.ts";
import type { MetricsResult } from "../../query/metrics/metrics-result.ts";
import { queryInstant, queryRange } from "../../query/metrics/query-metrics.ts";
import type { QueryRecorder } from "../../query/query-recorder.ts";
import { metricsRules } from "../metrics-rules.ts";
import { instantUpdates, rangeUpdates } from "../stream/metrics-updates.ts";
import { instantText, rangeBytes, rangeText } from "../wire/metrics-response.ts";
import { wantsEvents } from "./event-stream.ts";
import { answerExplained, wantsExplanation } from "./explain-query.ts";
import { instantParams, rangeParams } from "./metrics-params.ts";
import { queryEventStream } from "./query-events.ts";
import { answer, JSON_TYPE } from "./respond.ts";
import type { ApiHandler, QueryRouteParts } from "./route-context.ts";

/** `/api/metrics/query_range` */
export function metricsRangeRoute({ engine, log }: QueryRouteParts): ApiHandler {
  return async (api) => {
    const { params, tenants, request } = api;
    const rules = metricsRules(engine.context, tenants);
    const query = { tenants, ...rangeRequest(rangeParams(params, rules.nowMs), rules) };
    if (wantsExplanation(api)) {
      const run = (recorder: QueryRecorder) =>
        queryRange(engine, { ...query, signal: request.signal, recorder });
      return answerExplained(api, pipelinesOf(query.query), run, countSeries);
    }
    if (wantsEvents(api)) {
      const open = (signal: AbortSignal) => rangeUpdates(engine, query, signal);
      return queryEventStream(api, open, rangeText, log);
    }
    const result = await queryRange(engine, { ...query, signal: request.signal });
    return answer(request, JSON_TYPE, rangeBytes(result));
  };
}

/** `/api/metrics/query` */
export function metricsInstantRoute({ engine, log }: QueryRouteParts): ApiHandler {
  return async (api) => {
    const { params, tenants, request } = api;
    const rules = metricsRules(engine.context, tenants);
    const query = { tenants, ...instantRequest(instantParams(params, rules.nowMs), rules) };
    if (wantsExplanation(api)) {
      const run = (recorder: QueryRecorder) =>
        queryInstant(engine, { ...query, signal: request.signal, recorder });
      return answerExplained(api, pipelinesOf(query.query), run, countSeries);
    }
    if (wantsEvents(api)) {
      const open = (signal: AbortSignal) => instantUpdates(engine, query, signal);
      return queryEventStream(api, open, instantText, log);
    }
    const result = await queryInstant(engine, { ...query, signal: request.signal });
    return answer(request, JSON_TYPE, instantText(result));
  };
}

function countSeries({ series, timestampsMs }: MetricsResult) {
  return { series: series.length, steps: timestampsMs.length };
}

/** What Tempo 3 no longer has under `/api/metrics/`, and what it never had. */
export const noMetricsRoute: ApiHandler = () => {
  throw new PintailError("not_found", "404 page not found");
};
