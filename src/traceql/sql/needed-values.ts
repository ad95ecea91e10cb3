import type { FixedColumnName, StoredAttributeType } from "../../schema/columns.ts";
import type { KeyStats } from "../../schema/segment-meta.ts";
import type { ValueNeed } from "../../schema/value-need.ts";
import { hexToBytes } from "../../util/hex.ts";
import type { BinaryOp, FieldExpr, FieldRef, IntrinsicName } from "../ast.ts";
import { foldConstants } from "../fold.ts";
import { plainPattern } from "../regex.ts";
import { isNumeric } from "../static-ops.ts";
import { foldField } from "../walk.ts";
import { MIRRORED } from "./compare.ts";
import { idHex } from "./id.ts";
import { isRangeOp, type NumericStatic, type RangeOp, rangeOf } from "./literal-range.ts";
import { mayHoldIn } from "./prune.ts";
import type { SegmentShape } from "./segment-shape.ts";

/** Filters of a segment err once in 50 times, so that one of more values is found in most. */
const MAX_ALTERNATIVES = 32;
/** More of them would hardly rule out more. */
const MAX_TOGETHER = 8;

/** The statistics of the keys that the expression names. */
type Keys = readonly KeyStats[];
/** `undefined`: nothing is known to be needed. */
type Need = ValueNeed | undefined;

/** All but the duration are of the whole trace. */
const NUMBERS: ReadonlyMap<IntrinsicName, FixedColumnName> = new Map([
  ["duration", "duration_ns"],
  ["traceDuration", "trace_duration_ns"],
  ["nestedSetLeft", "nested_left"],
  ["nestedSetRight", "nested_right"],
  ["nestedSetParent", "nested_parent"],
  ["span:childCount", "child_count"],
]);

const NEVER: ValueNeed = { type: "any", of: [] };

/** What a field is compared with. */
type Wanted =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "number"; readonly op: RangeOp; readonly literal: NumericStatic };
type NeedOf = (field: FieldRef, wanted: Wanted) => Need;

export type NeededFrom = {
  readonly shape: SegmentShape;
  /** Like `shape` it must know all fields of the expression. */
  readonly keys: Keys;
  /** False: what a row says of its whole trace is found out from more than the segment. */
  readonly exact: boolean;
};

/**
 * The values that a row group of the segment must hold so that one of its rows may match `expr`, which
 * is no deeper than filters may be; undefined when that tells nothing. Values that the statistics list
 * are not asked for: the lists tell.
 */
export function neededValues(expr: FieldExpr, from: NeededFrom): Need {
  const needOf: NeedOf = (field, wanted) => fieldNeed(field, wanted, from);
  return foldField<Need>(foldConstants(expr), (node, results) => {
    switch (node.type) {
      case "static":
        return node.value.type === "bool" && !node.value.value ? NEVER : undefined;
      case "field":
      case "unary":
      case "exists":
        return undefined;
      case "binary":
        if (node.op === "&&") return together(results);
        if (node.op === "||") return alternatives(results);
        return comparisonNeed(node, needOf);
      default:
        return node satisfies never;
    }
  });
}

function comparisonNeed({ op, left, right }: FieldExpr & { type: "binary" }, needOf: NeedOf): Need {
  const [operand, literal] = left.type === "field" ? [left, right] : [right, left];
  if (operand.type !== "field" || literal.type !== "static") return undefined;
  const { field } = operand;
  const { value } = literal;
  const turned = operand === left ? op : mirrored(op);
  if (value.type === "string") return textNeed(turned, field, value.value, needOf);
  if (!isNumeric(value) || !isRangeOp(turned)) return undefined;
  return needOf(field, { type: "number", op: turned, literal: value });
}

/** Undefined: with its sides exchanged it is another test. */
function mirrored(op: BinaryOp): BinaryOp | undefined {
  return isRangeOp(op) ? MIRRORED[op] : undefined;
}

function textNeed(op: BinaryOp | undefined, field: FieldRef, text: string, needOf: NeedOf): Need {
  if (op === "=" && isTraceId(field)) return traceIdNeed(text);
  if (op === "=") return needOf(field, { type: "text", text });
  const pattern = op === "=~" ? plainPattern(text) : undefined;
  if (pattern?.type !== "equals") return undefined;
  return alternatives(pattern.values.map((value) => needOf(field, { type: "text", text: value })));
}

function isTraceId(field: FieldRef): boolean {
  return field.type === "intrinsic" && field.name === "trace:id";
}

function traceIdNeed(text: string): Need {
  const hex = idHex("trace", text);
  return hex === undefined ? NEVER : { type: "value", column: "trace_id", bytes: hexToBytes(hex) };
}

/** That the field, or an element of it when it is an array, is what is wanted. */
function fieldNeed(field: FieldRef, wanted: Wanted, { shape, keys, exact }: NeededFrom): Need {
  if (field.type === "intrinsic") {
    if (field.name === "name") return textColumnNeed("name", wanted, keys);
    const column = NUMBERS.get(field.name);
    if (column === undefined || !(exact || field.name === "duration")) return undefined;
    return wanted.type === "number" ? columnNeed(column, "int", wanted, undefined) : NEVER;
  }
  if (field.type !== "attribute") return undefined;
  const { scope, key } = field;
  if (scope === "event" || scope === "link") return undefined;
  const scopes = scope === "any" ? (["span", "resource"] as const) : [scope];
  const places = scopes.flatMap((each) => {
    const isService = each === "resource" && key === "service.name";
    const homes = shape.homes(each, key).map(({ type, column, dedicated }): Need => {
      if (type === "json") return undefined;
      // A string that is the service's name is in `service_name` as well.
      if (!isOfType(wanted, type) || (isService && type === "string")) return NEVER;
      if (!dedicated) return undefined;
      const stats = keys.find((s) => s.scope === each && s.key === key && s.type === type);
      return columnNeed(column, type, wanted, stats);
    });
    return isService ? [...homes, textColumnNeed("service_name", wanted, keys)] : homes;
  });
  return alternatives(places);
}

function isOfType(wanted: Wanted, type: StoredAttributeType): boolean {
  return wanted.type === "text" ? type === "string" : type === "int" || type === "double";
}

/** Of a column that every segment has; whether its list has the text for absent, '', is left open. */
function textColumnNeed(column: FixedColumnName, wanted: Wanted, keys: Keys): Need {
  if (wanted.type !== "text") return NEVER;
  const stats = keys.find((s) => s.scope === "intrinsic" && s.key === column);
  return wanted.text === "" ? undefined : columnNeed(column, "string", wanted, stats);
}

const encoder = new TextEncoder();

/** Of a column of `type`, which is one of what is wanted. */
function columnNeed(
  column: string,
  type: StoredAttributeType,
  wanted: Wanted,
  stats: KeyStats | undefined,
): Need {
  if (stats?.complete) return isListed(wanted, stats) ? undefined : NEVER;
  if (wanted.type === "text") return { type: "value", column, bytes: encoder.encode(wanted.text) };
  const range = rangeOf(wanted.op, wanted.literal, type === "int");
  return range === undefined ? NEVER : { type: "range", column, ...range };
}

function isListed(wanted: Wanted, stats: KeyStats): boolean {
  if (wanted.type === "text") return stats.values.includes(wanted.text);
  return mayHoldIn(wanted.op, stats, wanted.literal);
}

function together(needs: readonly Need[]): Need {
  const known = needs.filter((need) => need !== undefined);
  if (known.includes(NEVER)) return NEVER;
  const of = known.flatMap((need) => (need.type === "all" ? need.of : [need]));
  return of.length < 2 ? of[0] : { type: "all", of: of.slice(0, MAX_TOGETHER) };
}

function alternatives(needs: readonly Need[]): Need {
  const of: ValueNeed[] = [];
  for (const need of needs) {
    if (need === undefined) return undefined;
    of.push(...(need.type === "any" ? need.of : [need]));
    if (of.length > MAX_ALTERNATIVES) return undefined;
  }
  if (of.length === 0) return NEVER;
  return of.length === 1 ? of[0] : { type: "any", of };
}
