import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { FieldExpr, FieldRef, Static } from "../traceql/ast.ts";
import { formatDuration } from "../traceql/duration.ts";
import { extractTagFilter, fixedValue } from "../traceql/lenient.ts";
import { checkQuerySize, compilePipeline } from "./compile-search.ts";
import { pipelineOfFilters } from "./pipeline-of-filters.ts";
import type { FilterServices } from "./segment-services.ts";
import type { TagFilter } from "./tag-filter.ts";
import { floatText, type TagValue } from "./tag-value.ts";

export type TagFilterRules = {
  readonly maxQueryBytes: number;
  readonly maxConditionGroups: number;
};

export type CompiledTagFilter = {
  /** `undefined`: all spans count. */
  readonly filter: TagFilter | undefined;
  /** Values of the requested tag that the query itself fixes. */
  readonly known: readonly TagValue[];
};

/**
 * The filter in the `q` of a tags request. Text that is half typed or wrong filters nothing; only
 * too many alternatives and too long texts are refused. `field` is the tag whose values are asked
 * for, if any.
 */
export function compileTagFilter(
  text: string,
  field: FieldRef | undefined,
  rules: TagFilterRules,
): CompiledTagFilter {
  checkQuerySize(text, rules.maxQueryBytes);
  const { groups } = extractTagFilter(text, {
    maxGroups: rules.maxConditionGroups || Number.MAX_SAFE_INTEGER,
    unscopedTag: field?.type === "attribute" && field.scope === "any",
  });
  if (groups.length === 0) return { filter: undefined, known: [] };
  const known: TagValue[] = [];
  const open = groups.filter((group) => {
    const fixed = field === undefined ? undefined : fixedValue(group, field);
    if (fixed !== undefined) known.push(literalValue(fixed));
    return fixed === undefined;
  });
  const [first, ...others] = open.map(allOf);
  if (first === undefined) return { filter: NOTHING, known };
  const filter = filterOf(others.reduce(anyOf, first));
  return { filter: { ...filter, services: servicesOf(open) }, known };
}

/** Of spans that satisfy all conditions of one of these groups. */
function servicesOf(groups: readonly (readonly FieldExpr[])[]): FilterServices | undefined {
  const names = new Set<string>();
  for (const group of groups) {
    const name = fixedValue(group, SERVICE_NAME);
    if (name?.type !== "string") return undefined;
    names.add(name.value);
  }
  return { names, exact: groups.every(({ length }) => length === 1) };
}

const SERVICE_NAME: FieldRef = { type: "attribute", scope: "resource", key: "service.name" };

const NOTHING: TagFilter = {
  services: undefined,
  names: new Set(),
  isPrepared: () => true,
  prepare: () => {},
  shape: () => ({ key: "", sql: "false" }),
  mayMatch: () => false,
};

function filterOf(expr: FieldExpr): Omit<TagFilter, "services"> {
  const compiled = compilePipeline({
    pipeline: pipelineOfFilters([expr]),
    wantsSpans: false,
    duration: undefined,
  });
  return {
    names: compiled.names,
    isPrepared: compiled.isPrepared,
    prepare: compiled.prepare,
    shape: (meta: SegmentSummary) => {
      const { key, leaves } = compiled.shape(meta);
      return { key, sql: leaves[0] ?? "false" };
    },
    mayMatch: (meta) => compiled.mayMatch(0, meta),
  };
}

function allOf(conditions: readonly FieldExpr[]): FieldExpr {
  return conditions.reduce((left, right) => ({ type: "binary", op: "&&", left, right }));
}

function anyOf(left: FieldExpr, right: FieldExpr): FieldExpr {
  return { type: "binary", op: "||", left, right };
}

function literalValue(literal: Static): TagValue {
  switch (literal.type) {
    case "string":
      return { type: "string", value: literal.value };
    case "int":
      return { type: "int", value: literal.value.toString() };
    case "float":
      return { type: "float", value: floatText(literal.value) };
    case "bool":
      return { type: "bool", value: String(literal.value) };
    case "duration":
      return { type: "duration", value: formatDuration(literal.value) };
    case "status":
    case "kind":
      return { type: "keyword", value: literal.value };
    default:
      return literal satisfies never;
  }
}
