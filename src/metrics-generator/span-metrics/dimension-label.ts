import { sanitizedName } from "../registry/label-set.ts";

/** Labels that spans have of themselves. */
export const INTRINSIC_LABELS: ReadonlySet<string> = new Set([
  "service",
  "span_name",
  "span_kind",
  "status_code",
  "status_message",
]);

/** Of an attribute; what spans have of themselves keeps its name. */
export function dimensionLabel(key: string): string {
  const name = sanitizedName(key);
  return INTRINSIC_LABELS.has(name) ? `__${name}` : name;
}
