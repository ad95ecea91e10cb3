import type { Database } from "../drivers/duckdb/database.ts";
import { openDatabase } from "../drivers/duckdb/node-database.ts";
import { nodeFiles } from "../drivers/files/node-files.ts";
import { isPintailError, PintailError } from "../errors.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import { RowsToSpans, storedColumns } from "../query/rows-to-spans.ts";
import { globOf } from "../query/segment-sql.ts";
import { SpansToBatch } from "../query/spans-to-batch.ts";
import type { MergeInput } from "../storage/compaction/messages.ts";
import { checkSegment } from "../storage/segments/read/check-segment.ts";
import { DamagedSegmentError } from "../storage/segments/read/read-error.ts";
import { quoteIdentifier, quoteLiteral } from "../traceql/sql/sql.ts";
import { type ChosenRows, chooseRows, ROW_NUMBER, rangesSql } from "./chosen-rows.ts";

/** Merging reads narrow ranges of rows; it must not take memory from queries. */
const MERGE_MEMORY_BYTES = 256 * 1024 * 1024;

export type AppendOptions = {
  /** Only spans of these traces (32 hex digits); undefined: of all. */
  readonly keepTraces?: ReadonlySet<string> | undefined;
  /** No spans of these traces. */
  readonly hiddenTraces?: ReadonlySet<string> | undefined;
  /** Appends nothing when no span would be left out. */
  readonly onlyIfLess?: boolean | undefined;
};

export type Appended = {
  /** Spans of the inputs that were not appended. */
  readonly leftOut: number;
  readonly unchanged: boolean;
};

/**
 * Appends the spans of the segments, each without loss, to `batch`. Rejects with `corrupt` when a
 * segment is damaged (`DamagedSegmentError`) or does not hold as many spans as it says.
 */
export async function appendSegments(
  folders: { readonly tempDir: string },
  inputs: readonly MergeInput[],
  batch: SpanBatch,
  options: AppendOptions = {},
): Promise<Appended> {
  // The database would not notice, and the result would have valid checksums of wrong spans.
  for (const input of inputs) await checkInput(input);
  const database = await openDatabase({
    memoryLimitBytes: MERGE_MEMORY_BYTES,
    tempDir: folders.tempDir,
    threads: 1,
    maxConcurrent: 1,
  });
  try {
    const chosen = await chooseAll(database, inputs, options);
    const kept = chosen?.reduce((total, rows) => total + rows.count, 0);
    const leftOut = kept === undefined ? 0 : spansOf(inputs) - kept;
    if (options.onlyIfLess && leftOut === 0) return { leftOut: 0, unchanged: true };
    const rows = new RowsToSpans();
    const target = new SpansToBatch(batch);
    for (const [i, input] of inputs.entries()) {
      await appendRows(database, input, chosen?.[i], rows, target);
    }
    return { leftOut, unchanged: false };
  } finally {
    await database[Symbol.asyncDispose]();
  }
}

async function checkInput({ meta, path }: MergeInput): Promise<void> {
  const file = await nodeFiles().openRead(path);
  try {
    await checkSegment(async (offset, length) => {
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, await file.read(bytes, offset));
    }, file.sizeBytes);
  } catch (error) {
    if (!isPintailError(error, "corrupt")) throw error;
    const message = `segment ${meta.id}: ${error.message}`;
    throw new DamagedSegmentError("corrupt", meta.id, message, error);
  } finally {
    await file.close();
  }
}

/** Undefined when all rows of all inputs are wanted. */
async function chooseAll(
  database: Database,
  inputs: readonly MergeInput[],
  { keepTraces, hiddenTraces }: AppendOptions,
): Promise<readonly ChosenRows[] | undefined> {
  if (keepTraces === undefined && hiddenTraces === undefined) return undefined;
  const isWanted = (traceId: string) =>
    (keepTraces === undefined || keepTraces.has(traceId)) && !hiddenTraces?.has(traceId);
  const chosen: ChosenRows[] = [];
  for (const input of inputs) chosen.push(await chooseRows(database, input, isWanted));
  return chosen;
}

async function appendRows(
  database: Database,
  { meta, path }: MergeInput,
  chosen: ChosenRows | undefined,
  rows: RowsToSpans,
  target: SpansToBatch,
): Promise<void> {
  const expected = chosen?.count ?? meta.rowCount;
  if (expected === 0) return;
  const some = chosen !== undefined && chosen.count < meta.rowCount ? chosen : undefined;
  const columns = storedColumns(meta);
  const names = columns.map((c) => quoteIdentifier(c).text);
  const from = quoteLiteral(globOf(path));
  const sql =
    some === undefined
      ? `SELECT ${names.join(", ")} FROM read_parquet(${from})`
      : `SELECT ${names.join(", ")}, ${ROW_NUMBER} FROM read_parquet(${from}, ${ROW_NUMBER} = true)
         WHERE ${rangesSql(some)}`;
  let appended = 0;
  await database.chunks(sql, (chunk) => {
    const numbers = chunk.columns[columns.length];
    const isChosen =
      some === undefined || numbers === undefined
        ? undefined
        : (row: number) => some.isChosen[Number(numbers[row])] === 1;
    for (const span of rows.read(chunk, columns, isChosen)) {
      target.add(span);
      appended++;
    }
  });
  if (appended === expected) return;
  throw new PintailError("corrupt", `segment ${meta.id} gave ${appended} of ${expected} spans`);
}

function spansOf(inputs: readonly MergeInput[]): number {
  return inputs.reduce((total, { meta }) => total + meta.rowCount, 0);
}
