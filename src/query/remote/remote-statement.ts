import { FIXED_COLUMNS } from "../../schema/columns.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { PinnedFiles, SegmentNeed } from "../../storage/segment-cache/segment-files.ts";
import { quoteLiteral } from "../../traceql/sql/sql.ts";
import { globOf } from "../segment-sql.ts";
import { type RowGroups, replaceColumnMarkers, replaceFileMarkers } from "./markers.ts";
import { namesIn } from "./named-columns.ts";

/** A statement over segments that have to be brought first. */
export type RemoteStatement = {
  readonly needs: readonly SegmentNeed[];
  /** The text to run, once they are there. */
  textOf(files: Pick<PinnedFiles, "pathOf">): string;
};

/** A row count needs some column, and this one is among the smallest. */
const ANY_COLUMN = "trace_start";

/**
 * What a statement with markers needs: of each segment the columns that the statement names, whatever
 * it means by the name, so that a name is bound as it would be in the whole file. A `*` within it
 * must stand for no more than the rest of the statement names.
 */
export function remoteStatement(
  sql: string,
  metaOf: (segmentId: string) => SegmentSummary,
): RemoteStatement {
  const groups = new Map<string, RowGroups>();
  const names = namesIn(
    replaceFileMarkers(
      replaceColumnMarkers(sql, () => false),
      (id, wanted) => {
        const known = groups.get(id);
        groups.set(id, known === undefined ? wanted : union(known, wanted));
        return "''";
      },
    ),
  );
  const text = replaceColumnMarkers(sql, (name) => names.has(name.toLowerCase()));
  const needs = Array.from(groups, ([id, rowGroups]): SegmentNeed => {
    const meta = metaOf(id);
    return { meta, columns: columnsOf(meta, names), rowGroups };
  });
  return {
    needs,
    textOf: (files) => replaceFileMarkers(text, (id) => quoteLiteral(globOf(files.pathOf(id)))),
  };
}

function columnsOf(meta: SegmentSummary, names: ReadonlySet<string>): Set<string> {
  const columns = new Set<string>();
  for (const { name } of FIXED_COLUMNS) if (names.has(name)) columns.add(name);
  for (const name of meta.optionalColumns) if (names.has(name.toLowerCase())) columns.add(name);
  if (columns.size === 0) columns.add(ANY_COLUMN);
  return columns;
}

/** A segment that a statement reads twice is one file. */
function union(a: RowGroups, b: RowGroups): RowGroups {
  if (a === "all" || b === "all") return "all";
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}
