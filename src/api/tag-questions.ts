import { PintailError } from "../errors.ts";
import { compileTagFilter } from "../query/compile-tag-filter.ts";
import { INTRINSIC_TAGS } from "../query/intrinsic-tags.ts";
import type { QueryEngine } from "../query/query-context.ts";
import type { QueryLimits } from "../query/settings.ts";
import { legacyTagSource, tagSource } from "../query/tag-field.ts";
import { tagNames } from "../query/tag-names.ts";
import { TAG_SCOPES, type TagScope } from "../query/tag-scopes.ts";
import { tagValues } from "../query/tag-values.ts";
import type { TimeRange } from "../query/time-range.ts";
import type { FieldRef } from "../traceql/ast.ts";
import { parseTagName } from "../traceql/parser.ts";
import { strictestLimits } from "./http/limits.ts";
import { tagsRange } from "./http/time-params.ts";
import type {
  TagsAnswer,
  TagsV2Answer,
  TagValuesAnswer,
  TagValuesV2Answer,
} from "./wire/tags-response.ts";

/** A question about tags: the parameters are those of Tempo's HTTP routes, also for gRPC. */
export type TagQuestion = {
  readonly engine: QueryEngine;
  readonly params: URLSearchParams;
  /** At least one. */
  readonly tenants: readonly string[];
  readonly signal: AbortSignal;
};

/** Names of all scopes in one sorted list. */
export async function findTags(question: TagQuestion): Promise<TagsAnswer> {
  const scope = scopeParam(question.params);
  const { range, limits, limit } = commonParams(question);
  const { names, stats } = await tagNames(question.engine, {
    tenants: question.tenants,
    scopes: attributeScopes(scope),
    filter: undefined,
    range,
    limitPerScope: 0,
    maxBytes: limits.maxBytesPerTagValuesQuery,
    signal: question.signal,
  });
  const all = new Set([...names.values()].flat());
  if (scope === "intrinsic") for (const name of INTRINSIC_TAGS) all.add(name);
  const sorted = [...all].sort();
  return { tagNames: limit > 0 ? sorted.slice(0, limit) : sorted, stats };
}

/** Names by scope, of spans that pass `q`. */
export async function findTagsV2(question: TagQuestion): Promise<TagsV2Answer> {
  const scope = scopeParam(question.params);
  const { range, limits, limit } = commonParams(question);
  const { filter } = compileTagFilter(
    question.params.get("q") ?? "",
    undefined,
    filterRules(question, limits),
  );
  const { names, stats } = await tagNames(question.engine, {
    tenants: question.tenants,
    scopes: attributeScopes(scope),
    filter,
    range,
    limitPerScope: limit,
    maxBytes: limits.maxBytesPerTagValuesQuery,
    signal: question.signal,
  });
  const scopes: { name: string; tags: readonly string[] }[] = Array.from(names, ([name, tags]) => ({
    name,
    tags,
  }));
  if (scope === "" || scope === "none" || scope === "intrinsic")
    scopes.push({ name: "intrinsic", tags: INTRINSIC_TAGS });
  return { scopes, stats };
}

/** Values as bare strings, of a tag without scope. */
export async function findTagValues(question: TagQuestion, tag: string): Promise<TagValuesAnswer> {
  const name = checkedTag(tag);
  const { range, limits, limit } = commonParams(question);
  const { values, stats } = await tagValues(question.engine, {
    tenants: question.tenants,
    source: legacyTagSource(name),
    filter: undefined,
    range,
    limit,
    maxBytes: limits.maxBytesPerTagValuesQuery,
    cost: ({ value }) => [value],
    signal: question.signal,
  });
  return { tagValues: [...new Set(values.map(({ value }) => value))], stats };
}

/** Typed values of a TraceQL field, of spans that pass `q`. */
export async function findTagValuesV2(
  question: TagQuestion,
  tag: string,
): Promise<TagValuesV2Answer> {
  const field = parsedTag(checkedTag(tag));
  const { range, limits, limit } = commonParams(question);
  const source = tagSource(field);
  const rules = filterRules(question, limits);
  const { filter, known } = compileTagFilter(question.params.get("q") ?? "", field, rules);
  const { values, stats } = await tagValues(question.engine, {
    tenants: question.tenants,
    source,
    // The fixed lists are the same whatever the filter says.
    filter: source.field === undefined ? undefined : filter,
    known: source.field === undefined ? [] : known,
    range,
    limit,
    maxBytes: limits.maxBytesPerTagValuesQuery,
    cost: ({ type, value }) => [type, value],
    signal: question.signal,
  });
  return { tagValues: values, stats };
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

function commonParams({ engine, params, tenants }: TagQuestion): CommonParams {
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

function filterRules({ engine }: TagQuestion, limits: QueryLimits) {
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
