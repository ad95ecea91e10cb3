import type { FieldRef } from "./ast.ts";
import { NAME_END } from "./lexer.ts";

/** Canonical text of a field: scope, dot and name, or the intrinsic's name. Unique per field. */
export function fieldText(field: FieldRef): string {
  switch (field.type) {
    case "intrinsic":
      return field.name;
    case "attribute":
      // A dot and a digit would be a number.
      if (field.scope === "any") return `.${keyText(field.key, /^[0-9]/)}`;
      return `${field.scope}.${keyText(field.key)}`;
    case "parent-attribute":
      if (field.scope === "any") return `parent.${keyText(field.key, /^(?:span|resource)\./)}`;
      return `parent.${field.scope}.${keyText(field.key)}`;
    default:
      return field satisfies never;
  }
}

/** Quoted where the plain name would end early, or where its beginning means something else. */
function keyText(key: string, misread?: RegExp): string {
  const plain = !NAME_END.test(key) && !key.includes('"') && misread?.test(key) !== true;
  return plain ? key : `"${key.replace(/["\\]/g, "\\$&")}"`;
}
