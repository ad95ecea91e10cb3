import { PintailError } from "../../errors.ts";

/** Functions that make rows of what they are given. All others may read files. */
const ROW_FUNCTIONS: ReadonlySet<string> = new Set([
  "range",
  "generate_series",
  "unnest",
  "repeat",
  "repeat_row",
  "generate_subscripts",
  "json_each",
  "json_tree",
]);
const NAME_PARTS = ["table_name", "schema_name", "catalog_name"] as const;

/**
 * Throws `invalid` when a statement reads anything but tables and views by their names. `tree`: as
 * `json_serialize_sql` gives it. A name with a slash may be that of a file, whichever of its parts
 * that is in.
 */
export function assertViewOnly(tree: unknown): void {
  const open: unknown[] = [tree];
  while (open.length > 0) {
    const node = open.pop();
    if (typeof node !== "object" || node === null) continue;
    for (const child of Object.values(node)) open.push(child);
    const { type } = node as { type?: unknown };
    if (type === "TABLE_FUNCTION") {
      const { function: call } = node as { function?: { function_name?: unknown } };
      const name = String(call?.function_name).toLowerCase();
      if (!ROW_FUNCTIONS.has(name)) throw refused(`the function ${name}`);
    } else if (type === "BASE_TABLE" || type === "SHOW_REF") {
      const parts = node as Partial<Record<(typeof NAME_PARTS)[number], unknown>>;
      if (NAME_PARTS.some((part) => /[/\\]/.test(String(parts[part] ?? "")))) {
        throw refused("a file");
      }
    }
  }
}

function refused(what: string): PintailError {
  return new PintailError(
    "invalid",
    `${what} cannot be read while redacted traces are being removed, only the view spans`,
  );
}
