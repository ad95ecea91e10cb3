import { dedicatedColumn, type FixedColumnName } from "../../schema/columns.ts";
import type { KeyStats } from "../../schema/segment-meta.ts";
import type { ValueNeed } from "../../schema/value-need.ts";
import { hexToBytes } from "../../util/hex.ts";
import type { FieldExpr, FieldRef } from "../ast.ts";
import { foldConstants } from "../fold.ts";
import { plainPattern } from "../regex.ts";
import { foldField } from "../walk.ts";
import { idHex } from "./id.ts";
import type { SegmentShape } from "./segment-shape.ts";

/** Filters of a segment err once in 50 times, so that one of more values is found in most. */
const MAX_ALTERNATIVES = 32;
/** More of them would hardly rule out more. */
const MAX_TOGETHER = 8;

/** The statistics of the keys that the expression names. */
type Keys = readonly KeyStats[];
/** `undefined`: nothing is known to be needed. */
type Need = ValueNeed | undefined;

const NEVER: ValueNeed = { type: "any", of: [] };

/**
 * The values that a row group of the segment must hold so that one of its rows may match `expr`;
 * undefined when that tells nothing. Values that the statistics list are not asked for: the lists
 * tell. `shape` and `keys` must know all fields of `expr`, which is no deeper than filters may be.
 */
export function neededValues(expr: FieldExpr, shape: SegmentShape, keys: Keys): Need {
  const needOf = (field: FieldRef, text: string): Need => textNeed(field, text, shape, keys);
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

function comparisonNeed(
  { op, left, right }: FieldExpr & { type: "binary" },
  needOf: (field: FieldRef, text: string) => Need,
): Need {
  const [operand, literal] = left.type === "field" ? [left, right] : [right, left];
  if (operand.type !== "field" || literal.type !== "static") return undefined;
  if (literal.value.type !== "string") return undefined;
  const { field } = operand;
  const text = literal.value.value;
  if (op === "=") return isTraceId(field) ? traceIdNeed(text) : needOf(field, text);
  const pattern = op === "=~" && left === operand ? plainPattern(text) : undefined;
  if (pattern?.type !== "equals") return undefined;
  return alternatives(pattern.values.map((value) => needOf(field, value)));
}

function isTraceId(field: FieldRef): boolean {
  return field.type === "intrinsic" && field.name === "trace:id";
}

function traceIdNeed(text: string): Need {
  const hex = idHex("trace", text);
  return hex === undefined ? NEVER : { type: "value", column: "trace_id", bytes: hexToBytes(hex) };
}

/** That the field is this text, or an array with it. */
function textNeed(field: FieldRef, text: string, shape: SegmentShape, keys: Keys): Need {
  if (field.type === "intrinsic") {
    return field.name === "name" ? fixedNeed("name", text, keys) : undefined;
  }
  if (field.type !== "attribute") return undefined;
  const { scope, key } = field;
  if (scope === "event" || scope === "link") return undefined;
  const scopes = scope === "any" ? (["span", "resource"] as const) : [scope];
  const places = scopes.flatMap((each) => {
    const isService = each === "resource" && key === "service.name";
    const homes = shape.homes(each, key).map(({ type, dedicated }): Need => {
      if (type === "json") return undefined;
      // A string that is the service's name is in `service_name` as well.
      if (type !== "string" || isService) return NEVER;
      if (!dedicated || each === "instrumentation") return undefined;
      const stats = keys.find((s) => s.scope === each && s.key === key && s.type === "string");
      return valueNeed(dedicatedColumn(each, key), text, stats);
    });
    return isService ? [...homes, fixedNeed("service_name", text, keys)] : homes;
  });
  return alternatives(places);
}

/** Of a column that every segment has; whether its list has the text for absent, '', is left open. */
function fixedNeed(column: FixedColumnName, text: string, keys: Keys): Need {
  const stats = keys.find((s) => s.scope === "intrinsic" && s.key === column);
  return text === "" ? undefined : valueNeed(column, text, stats);
}

const encoder = new TextEncoder();

function valueNeed(column: string, text: string, stats: KeyStats | undefined): Need {
  if (stats?.complete) return stats.values.includes(text) ? undefined : NEVER;
  return { type: "value", column, bytes: encoder.encode(text) };
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
