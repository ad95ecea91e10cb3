import {
  type AttributeScopeName,
  dedicatedColumn,
  OVERFLOW_VALUE_TYPE,
} from "../../schema/columns.ts";
import type { SegmentWithKeys } from "../../schema/segment-meta.ts";

export type DedicatedHome = {
  readonly column: string;
  readonly key: string;
  /** SQL type, one of `OVERFLOW_VALUE_TYPE`. */
  readonly type: string;
};

/** The columns beyond the fixed ones that a group of files has. */
export interface SegmentLayout {
  has(column: string): boolean;
  dedicated(scope: AttributeScopeName): readonly DedicatedHome[];
}

/** Files that one `read_parquet` reads. */
export type LayoutGroup = {
  readonly layout: SegmentLayout;
  readonly segments: readonly SegmentWithKeys[];
  /** False when the files' columns differ: DuckDB then reads each file's footer while it plans. */
  readonly uniform: boolean;
};

/** A branch of the view costs about a millisecond of planning; small files differ the most. */
const MAX_GROUPS = 48;

/**
 * Groups segments by their columns. When there are too many sets, the ones with the fewest rows
 * share groups with others that they do not contradict, so the number may stay above the bound.
 */
export function groupByLayout(
  segments: readonly SegmentWithKeys[],
  maxGroups = MAX_GROUPS,
): LayoutGroup[] {
  const groups = new Map<string, { columns: Columns; segments: SegmentWithKeys[]; rows: number }>();
  for (const segment of segments) {
    const columns = columnsOf(segment);
    const key = JSON.stringify(
      [...columns.values()].map(({ name, type }) => `${type} ${name}`).sort(),
    );
    const group = groups.get(key) ?? { columns, segments: [], rows: 0 };
    group.segments.push(segment);
    group.rows += segment.rowCount;
    groups.set(key, group);
  }
  const bySize = [...groups.values()].sort((a, b) => b.rows - a.rows);
  const kept = bySize.slice(0, maxGroups - 1);
  const shared: { columns: Columns; segments: SegmentWithKeys[]; sets: number }[] = [];
  for (const group of bySize.slice(maxGroups - 1)) {
    const fit = shared.find(({ columns }) => agree(columns, group.columns));
    if (fit === undefined) {
      shared.push({ columns: new Map(group.columns), segments: group.segments, sets: 1 });
      continue;
    }
    for (const [name, column] of group.columns) fit.columns.set(name, column);
    fit.segments.push(...group.segments);
    fit.sets++;
  }
  return [
    ...kept.map((g) => ({ layout: layoutOf(g.columns), segments: g.segments, uniform: true })),
    ...shared.map((g) => ({
      layout: layoutOf(g.columns),
      segments: g.segments,
      uniform: g.sets === 1,
    })),
  ];
}

/** By lower-case name, as DuckDB tells columns apart. */
type Columns = Map<string, Column>;
type Column = {
  readonly name: string;
  readonly type: string;
  readonly home: (DedicatedHome & { readonly scope: "span" | "resource" }) | undefined;
};

function columnsOf(segment: SegmentWithKeys): Columns {
  const homes = new Map<string, Column["home"]>();
  for (const { scope, key, type, dedicated } of segment.keys) {
    if (!dedicated || (scope !== "span" && scope !== "resource")) continue;
    const column = dedicatedColumn(scope, key);
    homes.set(column, { scope, key, column, type: OVERFLOW_VALUE_TYPE[type] });
  }
  const columns: Columns = new Map();
  for (const name of segment.optionalColumns) {
    const home = homes.get(name);
    columns.set(name.toLowerCase(), { name, type: home?.type ?? "", home });
  }
  return columns;
}

/** Whether files of both sets can be read as one relation without a cast or a mix-up of names. */
function agree(a: Columns, b: Columns): boolean {
  for (const [key, column] of b) {
    const other = a.get(key);
    if (other !== undefined && (other.name !== column.name || other.type !== column.type)) {
      return false;
    }
  }
  return true;
}

function layoutOf(columns: Columns): SegmentLayout {
  const names = new Set([...columns.values()].map(({ name }) => name));
  const homes = [...columns.values()].flatMap(({ home }) => (home === undefined ? [] : [home]));
  return {
    has: (column) => names.has(column),
    dedicated: (scope) => homes.filter((home) => home.scope === scope),
  };
}
