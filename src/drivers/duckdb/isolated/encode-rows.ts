import type { DuckDBValue } from "@duckdb/node-api";
import { cellJson, cellText } from "./cell.ts";
import type { SqlFormat } from "./isolated-sql.ts";

/** Turns rows into the text of one format. */
export type RowEncoder = {
  readonly head: string;
  /** `first` when it is the result's first row. */
  row(values: readonly DuckDBValue[], first: boolean): string;
  foot(rowCount: number, truncated: boolean): string;
};

export type EncodedColumn = { readonly name: string; readonly type: string };

/** Names are distinct. */
export function rowEncoder(
  format: Exclude<SqlFormat, "parquet">,
  columns: readonly EncodedColumn[],
): RowEncoder {
  switch (format) {
    case "csv":
      return {
        head: csvLine(columns.map(({ name }) => name)),
        row: (values) => csvLine(values.map(cellText)),
        foot: () => "",
      };
    case "json": {
      const object = objectEncoder(columns);
      return {
        head: "[",
        row: (values, first) => `${first ? "\n" : ",\n"}${object(values)}`,
        foot: () => "\n]\n",
      };
    }
    case "ndjson": {
      const object = objectEncoder(columns);
      return { head: "", row: (values) => `${object(values)}\n`, foot: () => "" };
    }
    // A line with the columns, a line of texts (null = NULL) per row, a line with the end: without
    // it the result was cut.
    case "rows":
      return {
        head: `${JSON.stringify({ columns })}\n`,
        row: (values) => `${JSON.stringify(values.map((value) => cellText(value) ?? null))}\n`,
        foot: (rows, truncated) => `${JSON.stringify({ rows, truncated })}\n`,
      };
    default:
      return format satisfies never;
  }
}

function objectEncoder(columns: readonly EncodedColumn[]) {
  const keys = columns.map(({ name }) => JSON.stringify(name));
  return (values: readonly DuckDBValue[]): string =>
    `{${values.map((value, c) => `${keys[c]}:${cellJson(value)}`).join(",")}}`;
}

/** RFC 4180, but lines end with \n as programs on Unix expect. NULL is empty, '' is `""`. */
function csvLine(texts: readonly (string | undefined)[]): string {
  return `${texts.map(csvField).join(",")}\n`;
}

function csvField(text: string | undefined): string {
  if (text === undefined) return "";
  if (text === "" || /[",\r\n]/.test(text)) return `"${text.replaceAll('"', '""')}"`;
  return text;
}
