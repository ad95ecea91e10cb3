import { toBinary } from "@bufbuild/protobuf";
import { SearchResponseSchema } from "../../../gen/tempopb/tempo_pb.ts";
import type { QueryRecorder } from "../../query/query-recorder.ts";
import { searchTraces } from "../../query/search.ts";
import type { SearchResult } from "../../query/search-result.ts";
import { searchRequest } from "../search-request.ts";
import { searchUpdates } from "../stream/search-updates.ts";
import { jsonText } from "../wire/json-text.ts";
import { searchResponseToJson, searchResponseToMessage } from "../wire/search-response.ts";
import { wantsEvents } from "./event-stream.ts";
import { answerExplained, wantsExplanation } from "./explain-query.ts";
import { queryEventStream } from "./query-events.ts";
import { answer, answerFormat, JSON_TYPE, PROTOBUF } from "./respond.ts";
import type { ApiHandler, QueryRouteParts } from "./route-context.ts";

/** `/api/search`: TraceQL (`q`), legacy tags (`tags`), or all traces of the range. */
export function searchRoute({ engine, log }: QueryRouteParts): ApiHandler {
  return async (api) => {
    const { params, tenants, request } = api;
    const { request: search, limits } = searchRequest(engine.context, params, tenants);
    if (wantsExplanation(api)) {
      const run = (recorder: QueryRecorder) =>
        searchTraces(engine, { ...search, signal: request.signal, recorder });
      return answerExplained(api, [search.search?.pipeline], run, ({ traces }) => ({
        traces: traces.length,
      }));
    }
    if (wantsEvents(api)) {
      const textOf = (result: SearchResult) => jsonText(searchResponseToJson(result, limits));
      const open = (signal: AbortSignal) => searchUpdates(engine, search, signal);
      return queryEventStream(api, open, textOf, log);
    }
    const result = await searchTraces(engine, { ...search, signal: request.signal });
    if (answerFormat(request.headers.get("accept")) === "protobuf") {
      const message = searchResponseToMessage(result, limits);
      return answer(request, PROTOBUF, toBinary(SearchResponseSchema, message));
    }
    return answer(request, JSON_TYPE, jsonText(searchResponseToJson(result, limits)));
  };
}
