import type { BinaryOp, FieldRef, IntrinsicName } from "../ast.ts";

/** Static types; `attribute` means: known at run time only. */
export type StaticType =
  | "int"
  | "float"
  | "duration"
  | "string"
  | "bool"
  | "status"
  | "kind"
  | "attribute";

const INTRINSIC_TYPES: Readonly<Record<IntrinsicName, StaticType>> = {
  name: "string",
  duration: "duration",
  status: "status",
  statusMessage: "string",
  kind: "kind",
  parent: "attribute",
  rootName: "string",
  rootServiceName: "string",
  traceDuration: "duration",
  nestedSetLeft: "int",
  nestedSetRight: "int",
  nestedSetParent: "int",
  "span:id": "string",
  "span:parentID": "string",
  "span:childCount": "int",
  "trace:id": "string",
  "event:name": "string",
  "event:timeSinceStart": "duration",
  "link:traceID": "string",
  "link:spanID": "string",
  "instrumentation:name": "attribute",
  "instrumentation:version": "attribute",
};

export function typeOfField(field: FieldRef): StaticType {
  return field.type === "intrinsic" ? INTRINSIC_TYPES[field.name] : "attribute";
}

export function isNumericType(type: StaticType): boolean {
  return type === "int" || type === "float" || type === "duration";
}

export function compatible(left: StaticType, right: StaticType): boolean {
  if (left === "attribute" || right === "attribute" || left === right) return true;
  return isNumericType(left) && isNumericType(right);
}

const NUMERIC = "+ - * / % ^ = != < <= > >=".split(" ");
const OPERATORS: Readonly<Record<StaticType, ReadonlySet<string>>> = {
  int: new Set(NUMERIC),
  float: new Set(NUMERIC),
  duration: new Set(NUMERIC),
  string: new Set("= != < <= > >= =~ !~".split(" ")),
  bool: new Set("&& || = !=".split(" ")),
  status: new Set(["=", "!="]),
  kind: new Set(["=", "!="]),
  attribute: new Set([...NUMERIC, "=~", "!~", "&&", "||"]),
};

export function operatorAllowed(op: BinaryOp, type: StaticType): boolean {
  return OPERATORS[type].has(op);
}

export function isArithmetic(op: BinaryOp): boolean {
  return "+-*/%^".includes(op);
}
