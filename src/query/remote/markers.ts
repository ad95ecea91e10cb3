import type { SegmentSummary } from "../../schema/segment-meta.ts";

/**
 * Which columns and row groups a statement needs shows once its text is whole: until then markers
 * stand in it for the files of segments that rest in a bucket, and around lists of columns. What they
 * begin with is drawn anew for each process and never shown, so that no value of a user's can be taken
 * for one.
 */
const TOKEN = `pintail-${crypto.randomUUID()}`;

const OPEN = `/*${TOKEN}+*/`;
const CLOSE = `/*${TOKEN}-*/`;

/** Which of a segment's row groups a statement reads: indexes, or all. */
export type RowGroups = readonly number[] | "all";

/** A string literal in the place of the path of the segment's file. */
export function fileMarker(meta: SegmentSummary, rowGroups: RowGroups): string {
  return `'${TOKEN}/${meta.id}/${rowGroups === "all" ? "all" : rowGroups.join(",")}'`;
}

/**
 * `list` and a comma. Between marks, columns that the statement names nowhere else are left out: a
 * relation of all columns, wrapped around the files, must not have all of them fetched.
 */
export function columnsMarker(list: readonly ListedColumn[]): string {
  return `${OPEN}${list.map(({ text }) => `${text}, `).join("")}${CLOSE}`;
}

/** `text` is the column as the statement has it, maybe with the name of a relation before it. */
export type ListedColumn = { readonly text: string; readonly name: string };

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

/** Calls back for each column of the lists between marks: whether it stays. */
export function replaceColumnMarkers(sql: string, keep: (name: string) => boolean): string {
  return sql.replace(COLUMNS, (_, list: string) =>
    list.replace(LISTED, (text, name: string) => (keep(name.replaceAll('""', '"')) ? text : "")),
  );
}

const FILE = new RegExp(`'${TOKEN}/([^/']+)/(all|[0-9,]+)'`, "g");
const COLUMNS = new RegExp(`/\\*${TOKEN}\\+\\*/(.*?)/\\*${TOKEN}-\\*/`, "gs");
const LISTED = /(?:\w+\.)?"((?:[^"]|"")*)", /g;
