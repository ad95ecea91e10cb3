import { openDatabase } from "../drivers/duckdb/node-database.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import { RowsToSpans, storedColumns } from "../query/rows-to-spans.ts";
import { SpansToBatch } from "../query/spans-to-batch.ts";
import type { SegmentMeta } from "../schema/segment-meta.ts";
import { segmentPath } from "../storage/segments/segment-writer.ts";
import { quoteIdentifier, quoteLiteral } from "../traceql/sql/sql.ts";

/** Merging reads narrow ranges of rows; it must not take memory from queries. */
const MERGE_MEMORY_BYTES = 256 * 1024 * 1024;

/** Appends all spans of the segments, each without loss, to `batch`. */
export async function appendSegments(
  folders: { readonly segmentDir: string; readonly tempDir: string },
  segments: readonly SegmentMeta[],
  batch: SpanBatch,
): Promise<void> {
  const database = await openDatabase({
    memoryLimitBytes: MERGE_MEMORY_BYTES,
    tempDir: folders.tempDir,
    threads: 1,
    maxConcurrent: 1,
  });
  try {
    const rows = new RowsToSpans();
    const target = new SpansToBatch(batch);
    for (const meta of segments) {
      const columns = storedColumns(meta);
      const path = segmentPath(folders.segmentDir, meta);
      await database.chunks(
        `SELECT ${columns.map((c) => quoteIdentifier(c).text).join(", ")} FROM read_parquet(${quoteLiteral(path)})`,
        (chunk) => {
          for (const span of rows.read(chunk, columns)) target.add(span);
        },
      );
    }
  } finally {
    await database[Symbol.asyncDispose]();
  }
}
