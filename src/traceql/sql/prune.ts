import type { FixedColumnName } from "../../schema/columns.ts";
import type { KeyStats, SegmentMeta } from "../../schema/segment-meta.ts";
import type { BinaryOp, CompareOp, FieldExpr, FieldRef, RegexOp, Static } from "../ast.ts";
import { foldConstants } from "../fold.ts";
import { matchesPlain, plainPattern } from "../regex.ts";
import { compareStatics } from "../static-ops.ts";
import { foldField } from "../walk.ts";
import { KIND_CODES, STATUS_CODES } from "../words.ts";
import { MIRRORED } from "./compare.ts";

/**
 * Whether some span of the segment may match `expr`, from the segment's key statistics alone: keys
 * that it lacks, and values missing from a complete list. True when in doubt, never wrongly false.
 * Cost: one pass over the segment's keys for each mention of a field, so leave it only `keysOf` them.
 */
export function mayMatch(expr: FieldExpr, meta: Pick<SegmentMeta, "keys">): boolean {
  const stats = new KeyList(meta);
  return foldField<boolean>(foldConstants(expr), (node, results) => {
    switch (node.type) {
      case "static":
        return node.value.type === "bool" ? node.value.value : true;
      case "field":
        return mayBePresent(node.field, stats);
      case "unary":
        // A negation holds where its operand is false, of which nothing is known here. Without
        // its field a value has no negation, but a comparison does.
        return true;
      case "exists":
        return (
          node.negated || node.operand.type !== "field" || mayBePresent(node.operand.field, stats)
        );
      case "binary":
        if (node.op === "&&") return results[0]! && results[1]!;
        if (node.op === "||") return results[0]! || results[1]!;
        return mayCompare(node.op, node.left, node.right, stats);
      default:
        return node satisfies never;
    }
  });
}

/** Looked up by a walk over the list: a map of it would cost more than the few keys of a query. */
class KeyList {
  readonly #keys: readonly KeyStats[];

  constructor(meta: Pick<SegmentMeta, "keys">) {
    this.#keys = meta.keys;
  }

  of(scope: string, key: string): readonly KeyStats[] {
    return this.#keys.filter((stats) => stats.key === key && stats.scope === scope);
  }
}

function mayCompare(op: BinaryOp, left: FieldExpr, right: FieldExpr, stats: KeyList): boolean {
  if (left.type === "field" && right.type === "static") {
    return mayHoldValue(op, left.field, right.value, stats);
  }
  if (left.type === "static" && right.type === "field") {
    return mayHoldValue(mirrored(op), right.field, left.value, stats);
  }
  for (const side of [left, right]) {
    if (side.type === "field" && !mayBePresent(side.field, stats)) return false;
  }
  return true;
}

function mirrored(op: BinaryOp): BinaryOp {
  return isCompare(op) ? MIRRORED[op] : op;
}

/** Undefined: the statistics do not speak of this field. Empty: the segment does not have it. */
function statsOf(field: FieldRef, stats: KeyList): readonly KeyStats[] | undefined {
  if (field.type === "attribute") {
    if (field.scope === "any") {
      if (field.key === "service.name") return undefined;
      return [...stats.of("span", field.key), ...stats.of("resource", field.key)];
    }
    if (field.scope === "resource" && field.key === "service.name") {
      return stats.of("resource", field.key).some((s) => s.type !== "string")
        ? undefined
        : someOrUnknown(stats.of("intrinsic", "service_name"));
    }
    return stats.of(field.scope, field.key);
  }
  const column = field.type === "intrinsic" ? LISTED_INTRINSICS.get(field.name) : undefined;
  return column === undefined ? undefined : someOrUnknown(stats.of("intrinsic", column));
}

/**
 * In lists of the statistics every text that the field has on some span of the segment, and maybe
 * others. Undefined: not all of them are listed.
 */
export function listedTexts(
  field: FieldRef,
  meta: Pick<SegmentMeta, "keys">,
): (readonly string[])[] | undefined {
  const stats = statsOf(field, new KeyList(meta));
  const isListed = ({ type, complete }: KeyStats): boolean =>
    type === "string" ? complete : type !== "json";
  if (stats === undefined || !stats.every(isListed)) return undefined;
  return stats.filter(({ type }) => type === "string").map(({ values }) => values);
}

/** Keys of the statistics that `mayMatch` and `shapeOf` look at for these fields. */
export function keysOf(fields: readonly FieldRef[]): ReadonlySet<string> {
  const keys = new Set<string>(["service_name"]);
  for (const field of fields) {
    const key = field.type === "intrinsic" ? LISTED_INTRINSICS.get(field.name) : field.key;
    if (key !== undefined) keys.add(key);
  }
  return keys;
}

const LISTED_INTRINSICS: ReadonlyMap<string, FixedColumnName> = new Map<string, FixedColumnName>([
  ["name", "name"],
  ["kind", "kind"],
  ["status", "status"],
  ["rootName", "root_span_name"],
  ["rootServiceName", "root_service_name"],
  ["statusMessage", "status_message"],
  ["instrumentation:name", "scope_name"],
  ["instrumentation:version", "scope_version"],
]);

function someOrUnknown(list: readonly KeyStats[]): readonly KeyStats[] | undefined {
  return list.length === 0 ? undefined : list;
}

function mayBePresent(field: FieldRef, stats: KeyList): boolean {
  const known = statsOf(field, stats);
  return known === undefined || known.length > 0;
}

function mayHoldValue(op: BinaryOp, field: FieldRef, literal: Static, stats: KeyList): boolean {
  const known = statsOf(field, stats);
  if (known === undefined) return true;
  return known.some((entry) => mayHoldIn(op, entry, literal));
}

/** Whether a value under this key may be in this relation to the literal. */
export function mayHoldIn(op: BinaryOp, entry: KeyStats, literal: Static): boolean {
  if (entry.type === "json") return true;
  if (op === "=~" || op === "!~") {
    return entry.type === "string" && literal.type === "string" && mayFit(op, entry, literal.value);
  }
  if (!isCompare(op)) return true;
  const wanted = comparable(entry, literal);
  if (wanted === undefined) return false;
  if (!entry.complete) return true;
  return listedIn(entry).some((text) => {
    const value = parseValue(text, entry, wanted);
    return value === undefined || compareStatics(op, value, wanted) !== false;
  });
}

/** Of a regular expression that is more than literals and `.*` only the rows can tell. */
function mayFit(op: RegexOp, entry: KeyStats, pattern: string): boolean {
  const plain = entry.complete ? plainPattern(pattern) : undefined;
  if (plain === undefined) return true;
  return listedIn(entry).some((text) => matchesPlain(plain, text) === (op === "=~"));
}

/** The values of a complete list. */
function listedIn({ scope, type, values }: KeyStats): readonly string[] {
  // A default (empty text, code 0) of a fixed column may count as carried or not: it stays possible.
  return scope === "intrinsic" ? [...values, type === "string" ? "" : "0"] : values;
}

function isCompare(op: BinaryOp): op is CompareOp {
  return ["=", "!=", "<", "<=", ">", ">="].includes(op);
}

/** The literal in the terms of the column: words as codes. Undefined when the types never meet. */
function comparable(entry: KeyStats, literal: Static): Static | undefined {
  switch (literal.type) {
    case "string":
    case "bool":
      return entry.type === literal.type ? literal : undefined;
    case "int":
    case "float":
    case "duration":
      return entry.type === "int" || entry.type === "double" ? literal : undefined;
    case "status":
      if (entry.scope !== "intrinsic") return undefined;
      return { type: "int", value: BigInt(STATUS_CODES[literal.value]) };
    case "kind":
      if (entry.scope !== "intrinsic") return undefined;
      return { type: "int", value: BigInt(KIND_CODES[literal.value]) };
    default:
      return literal satisfies never;
  }
}

/** A listed value; undefined when its text is not understood. */
function parseValue(text: string, entry: KeyStats, wanted: Static): Static | undefined {
  if (entry.type === "string")
    return wanted.type === "string" ? { type: "string", value: text } : undefined;
  if (entry.type === "bool") {
    return text === "true" || text === "false"
      ? { type: "bool", value: text === "true" }
      : undefined;
  }
  if (entry.type === "int") {
    return /^-?[0-9]+$/.test(text) ? { type: "int", value: BigInt(text) } : undefined;
  }
  const value = Number(text);
  return text.trim() === "" || Number.isNaN(value) ? undefined : { type: "float", value };
}
