import type { Database } from "../drivers/duckdb/database.ts";
import { PintailError } from "../errors.ts";
import { globOf } from "../query/segment-sql.ts";
import type { MergeInput } from "../storage/compaction/messages.ts";
import { quoteLiteral } from "../traceql/sql/sql.ts";

/** Rows of one segment. */
export type ChosenRows = {
  /** By row number, 1 for those chosen. */
  readonly isChosen: Uint8Array;
  readonly count: number;
};

/** The column that DuckDB numbers a file's rows with. No column of a segment has this name. */
export const ROW_NUMBER = "file_row_number";

/** More terms make a statement slower than what they spare it reading. */
const MAX_RANGES = 64;

/**
 * The rows whose trace (32 hex digits) is wanted. Reads the column of trace ids alone. Rejects with
 * `corrupt` when the file does not have as many rows as the segment.
 */
export async function chooseRows(
  database: Database,
  { meta, path }: MergeInput,
  isWanted: (traceId: string) => boolean,
): Promise<ChosenRows> {
  const isChosen = new Uint8Array(meta.rowCount);
  let [seen, count] = [0, 0];
  // A trace's rows are neighbours.
  let last: { readonly id: string; readonly wanted: boolean } | undefined;
  await database.chunks(
    `SELECT trace_id, ${ROW_NUMBER} FROM read_parquet(${quoteLiteral(globOf(path))}, ${ROW_NUMBER} = true)`,
    (chunk) => {
      const [ids, numbers] = chunk.columns;
      for (let row = 0; row < chunk.rowCount; row++) {
        const id = String(ids?.[row]);
        if (last?.id !== id) last = { id, wanted: isWanted(id) };
        seen++;
        if (!last.wanted) continue;
        isChosen[Number(numbers?.[row])] = 1;
        count++;
      }
    },
  );
  if (seen === meta.rowCount) return { isChosen, count };
  throw new PintailError("corrupt", `segment ${meta.id} has ${seen} of ${meta.rowCount} spans`);
}

/** A condition that holds for all chosen rows, and for as few others as a short one can. */
export function rangesSql(rows: ChosenRows): string {
  return fewerRanges(rangesOf(rows), MAX_RANGES)
    .map(([from, to]) => `${ROW_NUMBER} BETWEEN ${from} AND ${to - 1}`)
    .join(" OR ");
}

type Range = readonly [from: number, to: number];

function rangesOf({ isChosen }: ChosenRows): Range[] {
  const ranges: Range[] = [];
  for (let from = isChosen.indexOf(1); from >= 0; ) {
    const end = isChosen.indexOf(0, from);
    const to = end < 0 ? isChosen.length : end;
    ranges.push([from, to]);
    from = isChosen.indexOf(1, to);
  }
  return ranges;
}

/** Joins those with the smallest gaps between them until at most `max` are left. */
function fewerRanges(ranges: readonly Range[], max: number): readonly Range[] {
  if (ranges.length <= max) return ranges;
  const gaps = ranges.slice(1).map(([from], i) => ({ at: i + 1, size: from - ranges[i]![1] }));
  gaps.sort((a, b) => b.size - a.size);
  const cuts = gaps
    .slice(0, max - 1)
    .map(({ at }) => at)
    .sort((a, b) => a - b);
  const starts = [0, ...cuts];
  return starts.map((at, i) => [ranges[at]![0], ranges[(starts[i + 1] ?? ranges.length) - 1]![1]]);
}
