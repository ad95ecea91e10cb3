import { toBinary } from "@bufbuild/protobuf";
import {
  SearchTagsResponseSchema,
  SearchTagsV2ResponseSchema,
  SearchTagValuesResponseSchema,
  SearchTagValuesV2ResponseSchema,
} from "../../../gen/tempopb/tempo_pb.ts";
import { PintailError } from "../../errors.ts";
import { compileTagFilter } from "../../query/compile-tag-filter.ts";
import { INTRINSIC_TAGS } from "../../query/intrinsic-tags.ts";
import type { QueryLimits } from "../../query/settings.ts";
import { legacyTagSource, tagSource } from "../../query/tag-field.ts";
import { TAG_SCOPES, type TagScope, tagNames } from "../../query/tag-names.ts";
import { tagValues } from "../../query/tag-values.ts";
import type { TimeRange } from "../../query/time-range.ts";
import type { FieldRef } from "../../traceql/ast.ts";
import { parseTagName } from "../../traceql/parser.ts";
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
import { strictestLimits } from "./limits.ts";
import { answer, answerFormat, JSON_TYPE, LLM_JSON, PROTOBUF } from "./respond.ts";
import type { ApiHandler, ApiRequest, QueryRouteParts } from "./route-context.ts";
import { tagsRange } from "./time-params.ts";

/** `/api/search/tags`: names of all scopes in one sorted list. */
export function tagsV1(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const scope = scopeParam(api.params);
    const common = commonParams(parts, api);
    const { names, stats } = await tagNames(parts.engine, {
      tenants: api.tenants,
      scopes: attributeScopes(scope),
      filter: undefined,
      range: common.range,
      limitPerScope: 0,
      maxBytes: common.limits.maxBytesPerTagValuesQuery,
      signal: api.request.signal,
    });
    const all = new Set([...names.values()].flat());
    if (scope === "intrinsic") for (const name of INTRINSIC_TAGS) all.add(name);
    const sorted = [...all].sort();
    const tags = { tagNames: common.limit > 0 ? sorted.slice(0, common.limit) : sorted, stats };
    return answerFormat(api.request.headers.get("accept")) === "protobuf"
      ? answer(api.request, PROTOBUF, toBinary(SearchTagsResponseSchema, tagsToMessage(tags)))
      : answer(api.request, JSON_TYPE, jsonText(tagsToJson(tags)));
  };
}

/** `/api/v2/search/tags`: names by scope, of spans that pass `q`. */
export function tagsV2(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const scope = scopeParam(api.params);
    const common = commonParams(parts, api);
    const { filter } = compileTagFilter(
      api.params.get("q") ?? "",
      undefined,
      filterRules(parts, common.limits),
    );
    const { names, stats } = await tagNames(parts.engine, {
      tenants: api.tenants,
      scopes: attributeScopes(scope),
      filter,
      range: common.range,
      limitPerScope: common.limit,
      maxBytes: common.limits.maxBytesPerTagValuesQuery,
      signal: api.request.signal,
    });
    const scopes: { name: string; tags: readonly string[] }[] = Array.from(
      names,
      ([name, tags]) => ({ name, tags }),
    );
    if (scope === "" || scope === "none" || scope === "intrinsic")
      scopes.push({ name: "intrinsic", tags: INTRINSIC_TAGS });
    const tags = { scopes, stats };
    return answerFormat(api.request.headers.get("accept")) === "protobuf"
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
    const name = checkedTag(tagOf(api));
    const common = commonParams(parts, api);
    const { values, stats } = await tagValues(parts.engine, {
      tenants: api.tenants,
      source: legacyTagSource(name),
      filter: undefined,
      range: common.range,
      limit: common.limit,
      maxBytes: common.limits.maxBytesPerTagValuesQuery,
      cost: ({ value }) => [value],
      signal: api.request.signal,
    });
    const result = { tagValues: [...new Set(values.map(({ value }) => value))], stats };
    return answerFormat(api.request.headers.get("accept")) === "protobuf"
      ? answer(
          api.request,
          PROTOBUF,
          toBinary(SearchTagValuesResponseSchema, tagValuesToMessage(result)),
        )
      : answer(api.request, JSON_TYPE, jsonText(tagValuesToJson(result)));
  };
}

/** `/api/v2/search/tag/{tag}/values`: typed values of a TraceQL field, of spans that pass `q`. */
export function tagValuesV2(
  parts: QueryRouteParts,
  tagOf: (request: ApiRequest) => string,
): ApiHandler {
  return async (api) => {
    const field = parsedTag(checkedTag(tagOf(api)));
    const common = commonParams(parts, api);
    const source = tagSource(field);
    const rules = filterRules(parts, common.limits);
    const { filter, known } = compileTagFilter(api.params.get("q") ?? "", field, rules);
    const { values, stats } = await tagValues(parts.engine, {
      tenants: api.tenants,
      source,
      // The fixed lists are the same whatever the filter says.
      filter: source.field === undefined ? undefined : filter,
      known: source.field === undefined ? [] : known,
      range: common.range,
      limit: common.limit,
      maxBytes: common.limits.maxBytesPerTagValuesQuery,
      cost: ({ type, value }) => [type, value],
      signal: api.request.signal,
    });
    const result = { tagValues: values, stats };
    switch (answerFormat(api.request.headers.get("accept"))) {
      case "protobuf": {
        const message = tagValuesV2ToMessage(result);
        return answer(api.request, PROTOBUF, toBinary(SearchTagValuesV2ResponseSchema, message));
      }
      case "llm":
        return answer(api.request, LLM_JSON, jsonText(tagValuesV2ToLlm(result)));
      default:
        return answer(api.request, JSON_TYPE, jsonText(tagValuesV2ToJson(result)));
    }
  };
}

type ScopeParam = "" | "none" | "trace" | "intrinsic" | TagScope;
const SCOPES: readonly string[] = ["", "none", "trace", "intrinsic", ...TAG_SCOPES];

function scopeParam(params: URLSearchParams): ScopeParam {
  const scope = params.get("scope") ?? "";
  if (!SCOPES.includes(scope))
    throw new PintailError("invalid", `invalid scope: ${scope.slice(0, 200)}`);
  return scope as ScopeParam;
}

function attributeScopes(scope: ScopeParam): readonly TagScope[] {
  if (scope === "" || scope === "none") return TAG_SCOPES;
  return TAG_SCOPES.filter((known) => known === scope);
}

type CommonParams = {
  readonly limits: QueryLimits;
  readonly range: TimeRange | undefined;
  /** 0 = all; a bad number means the same and is never an error. */
  readonly limit: number;
};

function commonParams({ engine }: QueryRouteParts, { params, tenants }: ApiRequest): CommonParams {
  const { limitsFor, nowMs, settings } = engine.context;
  const limits = strictestLimits(tenants.map((tenant) => limitsFor(tenant)));
  const limit = params.get("limit") ?? "";
  return {
    limits,
    range: tagsRange(params, {
      nowMs: nowMs(),
      settings,
      maxDurationMs: limits.maxSearchDurationMs,
    }),
    limit: /^[0-9]{1,9}$/.test(limit) ? Number(limit) : 0,
  };
}

function filterRules({ engine }: QueryRouteParts, limits: QueryLimits) {
  return {
    maxQueryBytes: engine.context.settings.maxQueryBytes,
    maxConditionGroups: limits.maxConditionGroupsPerTagQuery,
  };
}

/** Longer names than any attribute key that is kept. */
const MAX_TAG_CHARS = 4096;

function checkedTag(tag: string): string {
  if (tag === "") throw new PintailError("invalid", "please provide a non-empty tagName");
  if (tag.length > MAX_TAG_CHARS)
    throw new PintailError("invalid", `tag name exceeds ${MAX_TAG_CHARS} characters`);
  return tag;
}

function parsedTag(tag: string): FieldRef {
  try {
    return parseTagName(tag);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PintailError(
      "invalid",
      `please provide a valid tagName: failed to parse identifier ${tag.slice(0, 200)}: ${reason}`,
      { cause },
    );
  }
}
