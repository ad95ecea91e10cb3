import { toBinary } from "@bufbuild/protobuf";
import {
  SearchTagsResponseSchema,
  SearchTagsV2ResponseSchema,
  SearchTagValuesResponseSchema,
  SearchTagValuesV2ResponseSchema,
} from "../../../gen/tempopb/tempo_pb.ts";
import {
  findTags,
  findTagsV2,
  findTagValues,
  findTagValuesV2,
  type TagQuestion,
} from "../tag-questions.ts";
import { jsonText } from "../wire/json-text.ts";
import {
  tagsToJson,
  tagsToMessage,
  tagsV2ToJson,
  tagsV2ToMessage,
  tagValuesToJson,
  tagValuesToMessage,
  tagValuesV2ToJson,
  tagValuesV2ToLlm,
  tagValuesV2ToMessage,
} from "../wire/tags-response.ts";
import { answer, answerFormat, JSON_TYPE, LLM_JSON, PROTOBUF } from "./respond.ts";
import type { ApiHandler, ApiRequest, QueryRouteParts } from "./route-context.ts";

/** `/api/search/tags`: names of all scopes in one sorted list. */
export function tagsV1(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const tags = await findTags(questionOf(parts, api));
    return formatOf(api) === "protobuf"
      ? answer(api.request, PROTOBUF, toBinary(SearchTagsResponseSchema, tagsToMessage(tags)))
      : answer(api.request, JSON_TYPE, jsonText(tagsToJson(tags)));
  };
}

/** `/api/v2/search/tags`: names by scope, of spans that pass `q`. */
export function tagsV2(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const tags = await findTagsV2(questionOf(parts, api));
    return formatOf(api) === "protobuf"
      ? answer(api.request, PROTOBUF, toBinary(SearchTagsV2ResponseSchema, tagsV2ToMessage(tags)))
      : answer(api.request, JSON_TYPE, jsonText(tagsV2ToJson(tags)));
  };
}

/** `/api/search/tag/{tag}/values`: values as bare strings, of a tag without scope. */
export function tagValuesV1(
  parts: QueryRouteParts,
  tagOf: (request: ApiRequest) => string,
): ApiHandler {
  return async (api) => {
    const values = await findTagValues(questionOf(parts, api), tagOf(api));
    if (formatOf(api) !== "protobuf")
      return answer(api.request, JSON_TYPE, jsonText(tagValuesToJson(values)));
    const message = tagValuesToMessage(values);
    return answer(api.request, PROTOBUF, toBinary(SearchTagValuesResponseSchema, message));
  };
}

/** `/api/v2/search/tag/{tag}/values`: typed values of a TraceQL field, of spans that pass `q`. */
export function tagValuesV2(
  parts: QueryRouteParts,
  tagOf: (request: ApiRequest) => string,
): ApiHandler {
  return async (api) => {
    const values = await findTagValuesV2(questionOf(parts, api), tagOf(api));
    switch (formatOf(api)) {
      case "protobuf": {
        const message = tagValuesV2ToMessage(values);
        return answer(api.request, PROTOBUF, toBinary(SearchTagValuesV2ResponseSchema, message));
      }
      case "llm":
        return answer(api.request, LLM_JSON, jsonText(tagValuesV2ToLlm(values)));
      default:
        return answer(api.request, JSON_TYPE, jsonText(tagValuesV2ToJson(values)));
    }
  };
}

function questionOf({ engine }: QueryRouteParts, { params, tenants, request }: ApiRequest) {
  return { engine, params, tenants, signal: request.signal } satisfies TagQuestion;
}

function formatOf({ request }: ApiRequest) {
  return answerFormat(request.headers.get("accept"));
}
