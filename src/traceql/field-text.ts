import type { FieldRef } from "./ast.ts";
import { NAME_END } from "./lexer.ts";

/** Canonical text of a field: scope, dot and name, or the intrinsic's name. Unique per field. */
export function fieldText(field: FieldRef): string {
  switch (field.type) {
    case "intrinsic":
      return field.name;
    case "attribute":
      return `${field.scope === "any" ? "" : field.scope}.${keyText(field.key)}`;
    case "parent-attribute":
      return `parent.${field.scope === "any" ? "" : `${field.scope}.`}${keyText(field.key)}`;
    default:
      return field satisfies never;
  }
}

/** Quoted where the plain name would end early or be read as a number or as a scope. */
function keyText(key: string): string {
  const plain =
    !NAME_END.test(key) && !key.includes('"') && !/^[0-9]|^(?:span|resource)\./.test(key);
  return plain ? key : `"${key.replace(/["\\]/g, "\\$&")}"`;
}
