import { PintailError } from "../errors.ts";
import type { CompareOp, FieldExpr, FieldRef, Query, Static } from "./ast.ts";
import { checkQuery } from "./check/check.ts";
import { fieldText } from "./field-text.ts";
import { foldConstants } from "./fold.ts";
import { parseQuery } from "./parser.ts";
import { printField } from "./print.ts";
import { repairQuery } from "./repair.ts";
import { fieldsOf, logicOperands } from "./walk.ts";

export { parseTagName } from "./parser.ts";

/** What limits the names or values that a tags request lists. */
export type TagFilter = {
  /**
   * Spans count that satisfy all conditions of at least one group; each condition is
   * `field op literal` or a nil test. None: all spans count.
   */
  readonly groups: readonly (readonly FieldExpr[])[];
  /** The same as one expression; undefined when all spans count. */
  readonly expr: FieldExpr | undefined;
};

export type TagFilterOptions = {
  /** Default 100. */
  readonly maxGroups?: number;
  /** The requested tag has no scope, so that each group is looked for twice and counts so. */
  readonly unscopedTag?: boolean;
};

const UNFILTERED: TagFilter = { groups: [], expr: undefined };

/**
 * The filter in the `q` of a tags request, which may be half typed: what does not parse or means
 * nothing filters nothing. Only a first stage that is a single `{…}` counts. Throws kind `invalid`
 * for more groups than `maxGroups`, and for nothing else.
 */
export function extractTagFilter(text: string, options: TagFilterOptions = {}): TagFilter {
  const query = parseLeniently(text.trim());
  const filter = query === undefined ? undefined : firstFilter(query);
  if (filter === undefined) return UNFILTERED;
  const limit = options.maxGroups ?? 100;
  const groups = groupsOf(foldConstants(filter), limit);
  if (groups.length * (options.unscopedTag === true ? 2 : 1) > limit) throw tooManyGroups(limit);
  if (groups.some((group) => group.length === 0)) return UNFILTERED;
  const expr = joined(
    groups.map((group) => joined(group, "&&")),
    "||",
  );
  return { groups, expr };
}

/** The literal that a group fixes `field` to with `=`: then no data needs to be read for it. */
export function fixedValue(group: readonly FieldExpr[], field: FieldRef): Static | undefined {
  const wanted = fieldText(field);
  for (const condition of group) {
    if (condition.type !== "binary" || condition.op !== "=") continue;
    if (condition.left.type !== "field" || condition.right.type !== "static") continue;
    if (fieldText(condition.left.field) === wanted) return condition.right.value;
  }
  return undefined;
}

function parseLeniently(text: string): Query | undefined {
  if (text === "") return undefined;
  const query = tryParse(text) ?? tryParse(repairQuery(text));
  if (query === undefined) return undefined;
  try {
    checkQuery(query);
    return query;
  } catch (e) {
    if (e instanceof PintailError) return undefined;
    throw e;
  }
}

function tryParse(text: string): Query | undefined {
  try {
    return parseQuery(text);
  } catch (e) {
    if (e instanceof PintailError) return undefined;
    throw e;
  }
}

/** The first stage when it is a single `{…}`, also when it begins a parenthesised pipeline. */
function firstFilter(query: Query): FieldExpr | undefined {
  let stage = query.stages[0];
  while (stage?.type === "pipeline") stage = stage.stages[0];
  return stage?.type === "filter" ? stage.expr : undefined;
}

/** No condition at all: as an alternative it lets every span pass. */
const EMPTY: readonly (readonly FieldExpr[])[] = [[]];

function groupsOf(expr: FieldExpr, limit: number): readonly (readonly FieldExpr[])[] {
  if (expr.type === "binary" && expr.op === "||") {
    const alternatives = new Map<string, readonly FieldExpr[]>();
    for (const operand of logicOperands(expr, "||")) {
      for (const group of groupsOf(operand, limit)) {
        if (group.length === 0) return EMPTY;
        alternatives.set(group.map(printField).join(" && "), group);
      }
    }
    if (alternatives.size > limit) throw tooManyGroups(limit);
    return [...alternatives.values()];
  }
  if (expr.type === "binary" && expr.op === "&&") {
    let groups = EMPTY;
    for (const operand of logicOperands(expr, "&&")) {
      const more = groupsOf(operand, limit);
      if (groups.length * more.length > limit) throw tooManyGroups(limit);
      groups = groups.flatMap((group) => more.map((other) => [...group, ...other]));
    }
    return groups;
  }
  const condition = conditionOf(expr);
  return condition === undefined ? EMPTY : [[condition]];
}

const MIRRORED: Partial<Record<string, CompareOp>> = {
  "=": "=",
  "!=": "!=",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
};

/** Parents are not looked at: a filter of tags reads single spans. */
function conditionOf(expr: FieldExpr): FieldExpr | undefined {
  if (fieldsOf(expr).some(({ type }) => type === "parent-attribute")) return undefined;
  if (expr.type === "exists") return expr.operand.type === "field" ? expr : undefined;
  if (expr.type !== "binary") return undefined;
  const { left, right, op } = expr;
  if (left.type === "field" && right.type === "static") {
    return MIRRORED[op] !== undefined || op === "=~" || op === "!~" ? expr : undefined;
  }
  const mirrored = MIRRORED[op];
  if (left.type === "static" && right.type === "field" && mirrored !== undefined) {
    return { type: "binary", op: mirrored, left: right, right: left };
  }
  return undefined;
}

function joined(parts: readonly FieldExpr[], op: "&&" | "||"): FieldExpr {
  return parts.reduce((left, right) => ({ type: "binary", op, left, right }));
}

function tooManyGroups(limit: number): PintailError {
  return new PintailError(
    "invalid",
    `maximum condition groups reached (limit: ${limit}). Reduce the number of OR conditions in the query`,
  );
}
