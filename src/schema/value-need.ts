import { type FixedColumnName, isDedicatedColumn } from "./columns.ts";

/**
 * What some rows must hold so that one of them may match: a value in a column, or several such
 * needs together. It is met by rows that are read together, not by each of them.
 */
export type ValueNeed =
  /** `bytes`: a string in UTF-8, or the 16 bytes of an id. */
  | { readonly type: "value"; readonly column: string; readonly bytes: Uint8Array }
  | RangeNeed
  /** None at all: never met. */
  | { readonly type: "any"; readonly of: readonly ValueNeed[] }
  | { readonly type: "all"; readonly of: readonly ValueNeed[] };

/**
 * A number that lies in `[min, max]` as the double next to it. Rounding keeps the order, so that an
 * int64 need not be told from its neighbours: none is lost, some are too many.
 */
export type RangeNeed = {
  readonly type: "range";
  readonly column: string;
  readonly min: number;
  readonly max: number;
};

/** The columns that are asked about, each once. */
export function columnsOfNeeds(needs: readonly ValueNeed[]): readonly string[] {
  const columns = new Set<string>();
  const pending = [...needs];
  for (let need = pending.pop(); need !== undefined; need = pending.pop()) {
    if (need.type === "value" || need.type === "range") columns.add(need.column);
    else pending.push(...need.of);
  }
  return [...columns];
}

const RANGED: ReadonlySet<string> = new Set<FixedColumnName>([
  "duration_ns",
  "trace_duration_ns",
  "child_count",
  "nested_left",
  "nested_right",
  "nested_parent",
]);

/** Whether there are needs of ranges of the column, if it holds numbers. */
export function hasRangeNeeds(column: string): boolean {
  return RANGED.has(column) || isDedicatedColumn(column);
}
