import type { SegmentMeta } from "../../schema/segment-meta.ts";

/**
 * Statements over segments that rest in a bucket name no files yet: which columns and row groups they
 * need shows once their text is whole. Until then markers stand in it. What they begin with is drawn
 * anew for each process and never shown, so that no value of a user's can be taken for one.
 */
const TOKEN = `pintail-${crypto.randomUUID()}`;

/** Which of a segment's row groups a statement reads: indexes, or all. */
export type RowGroups = readonly number[] | "all";

/** A string literal in the place of the path of the segment's file. */
export function fileMarker(meta: SegmentMeta, rowGroups: RowGroups): string {
  return `'${TOKEN}/${meta.id}/${rowGroups === "all" ? "all" : rowGroups.join(",")}'`;
}

export function hasMarkers(sql: string): boolean {
  return sql.includes(TOKEN);
}

/** Calls back with the segments' ids, and gives the text with what it returns. */
export function replaceFileMarkers(
  sql: string,
  replace: (segmentId: string, rowGroups: RowGroups) => string,
): string {
  return sql.replace(FILE, (_, id: string, groups: string) =>
    replace(id, groups === "all" ? "all" : groups.split(",").map(Number)),
  );
}

const FILE = new RegExp(`'${TOKEN}/([^/']+)/(all|[0-9,]+)'`, "g");
