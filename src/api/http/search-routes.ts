import { toBinary } from "@bufbuild/protobuf";
import { SearchResponseSchema } from "../../../gen/tempopb/tempo_pb.ts";
import { searchTraces } from "../../query/search.ts";
import { searchRequest } from "../search-request.ts";
import { jsonText } from "../wire/json-text.ts";
import { searchResponseToJson, searchResponseToMessage } from "../wire/search-response.ts";
import { answer, answerFormat, JSON_TYPE, PROTOBUF } from "./respond.ts";
import type { ApiHandler, QueryRouteParts } from "./route-context.ts";

/** `/api/search`: TraceQL (`q`), legacy tags (`tags`), or all traces of the range. */
export function searchRoute({ engine }: QueryRouteParts): ApiHandler {
  return async ({ params, tenants, request }) => {
    const { request: search, limits } = searchRequest(engine.context, params, tenants);
    const result = await searchTraces(engine, { ...search, signal: request.signal });
    if (answerFormat(request.headers.get("accept")) === "protobuf") {
      const message = searchResponseToMessage(result, limits);
      return answer(request, PROTOBUF, toBinary(SearchResponseSchema, message));
    }
    return answer(request, JSON_TYPE, jsonText(searchResponseToJson(result, limits)));
  };
}
