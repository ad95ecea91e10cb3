import { dedicatedColumn } from "../schema/columns.ts";
import type { FieldRef } from "../traceql/ast.ts";

/** The columns that the attributes of a query would have if they are worth one. */
export function namedKeys(fields: readonly FieldRef[]): readonly string[] {
  return fields.flatMap((field) => {
    if (field.type === "intrinsic") return [];
    const { scope, key } = field;
    if (scope === "span" || scope === "resource") return [dedicatedColumn(scope, key)];
    // Unscoped: whichever of the two has it.
    if (scope !== "any") return [];
    return [dedicatedColumn("span", key), dedicatedColumn("resource", key)];
  });
}
