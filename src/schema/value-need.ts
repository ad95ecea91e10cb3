/**
 * What some rows must hold so that one of them may match: a value in a column, or several such
 * needs together. It is met by rows that are read together, not by each of them.
 */
export type ValueNeed =
  /** `bytes`: a string in UTF-8, or the 16 bytes of an id. */
  | { readonly type: "value"; readonly column: string; readonly bytes: Uint8Array }
  /** None at all: never met. */
  | { readonly type: "any"; readonly of: readonly ValueNeed[] }
  | { readonly type: "all"; readonly of: readonly ValueNeed[] };

/** The columns that are asked about, each once. */
export function columnsOfNeeds(needs: readonly ValueNeed[]): readonly string[] {
  const columns = new Set<string>();
  const pending = [...needs];
  for (let need = pending.pop(); need !== undefined; need = pending.pop()) {
    if (need.type === "value") columns.add(need.column);
    else pending.push(...need.of);
  }
  return [...columns];
}
