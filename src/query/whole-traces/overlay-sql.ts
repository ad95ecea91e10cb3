import { FIXED_COLUMNS } from "../../schema/columns.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { quoteIdentifier } from "../../traceql/sql/sql.ts";
import type { QueryContext } from "../query-context.ts";
import { columnsMarker } from "../remote/markers.ts";
import { readSegments } from "../segment-sql.ts";

/** A segment, and the number that its rows' ids begin with. */
export type NumberedSegment = { readonly meta: SegmentSummary; readonly number: number };

/** A file's row count fits 31 bits. */
const ROW_BITS = 32n;

export function rowIdOf(segmentNumber: number, rowNumber: number): bigint {
  return (BigInt(segmentNumber) << ROW_BITS) + BigInt(rowNumber);
}

/**
 * The segments' columns and `row_id`, in parentheses. DuckDB has the file's index and the row's
 * number at hand; they cost a few nanoseconds a row, and nothing where no one asks for `row_id`.
 */
export function numberedRows(
  context: Pick<QueryContext, "segmentPath" | "segmentFiles">,
  segments: readonly NumberedSegment[],
): string {
  const metas = segments.map(({ meta }) => meta);
  const number = perFileSql(segments.map(({ number }) => number));
  return `(SELECT ${storedColumnsSql(metas)}(${number} << ${ROW_BITS}) + file_row_number AS row_id FROM ${readSegments(context, metas)})`;
}

/** A whole number for each of the files of a `read_parquet`, by `file_index`. */
export function perFileSql(numbers: readonly number[]): string {
  const first = numbers[0] ?? 0;
  if (numbers.length === 1) return `${first}::BIGINT`;
  if (numbers.every((number, i) => number === first + i)) {
    return `(file_index::BIGINT + ${first})`;
  }
  return `list_extract([${numbers.join(", ")}]::BIGINT[], file_index::BIGINT + 1)`;
}

/** Columns that all of these segments have, in one order, each with a comma behind it. */
export function storedColumnsSql(segments: readonly SegmentSummary[]): string {
  return listed(segments, (name) => name);
}

/** The same of `stored`, but those of the trace from `trace`, those of its tree from `tree`. */
export function overlaidColumnsSql(segments: readonly SegmentSummary[]): string {
  return listed(segments, (name) => `${SOURCE.get(name) ?? "stored"}.${name}`);
}

/** Those that are named elsewhere are enough: they are fetched, and planning takes longer for more. */
function listed(segments: readonly SegmentSummary[], textOf: (quoted: string) => string): string {
  return columnsMarker(
    commonColumns(segments).map((name) => {
      const quoted = quoteIdentifier(name).text;
      return { name, text: textOf(quoted) };
    }),
  );
}

const SOURCE: ReadonlyMap<string, "trace" | "tree"> = new Map([
  ['"trace_start"', "trace"],
  ['"trace_duration_ns"', "trace"],
  ['"root_service_name"', "trace"],
  ['"root_span_name"', "trace"],
  ['"nested_left"', "tree"],
  ['"nested_right"', "tree"],
  ['"nested_parent"', "tree"],
  ['"child_count"', "tree"],
]);

function commonColumns(segments: readonly SegmentSummary[]): string[] {
  const [first, ...rest] = segments.map((meta) => new Set(meta.optionalColumns));
  const common = [...(first ?? [])].filter((name) => rest.every((names) => names.has(name)));
  return [...FIXED_COLUMNS.map(({ name }) => name), ...common];
}
