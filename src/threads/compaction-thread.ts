import { openDatabase } from "../drivers/duckdb/node-database.ts";
import { nodeFiles } from "../drivers/files/node-files.ts";
import { decompressBody } from "../ingest/decompress.ts";
import type { BodyEncoding } from "../ingest/ingest.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import { RowsToSpans, storedColumns } from "../query/rows-to-spans.ts";
import { SpansToBatch } from "../query/spans-to-batch.ts";
import { randomSeed, systemClock } from "../runtime/clock.ts";
import { parentChannel, workerInput } from "../runtime/worker.ts";
import type { SegmentMeta, WalRange } from "../schema/segment-meta.ts";
import { CompactionWorker } from "../storage/compaction/compaction-worker.ts";
import type { FromCompactionWorker, ToCompactionWorker } from "../storage/compaction/messages.ts";
import { SegmentWriter, segmentPath } from "../storage/segments/segment-writer.ts";
import { LsnRanges } from "../storage/wal/lsn-ranges.ts";
import { scanWalRange } from "../storage/wal/read-range.ts";
import type { WalRecord } from "../storage/wal/wal-format.ts";
import { quoteIdentifier, quoteLiteral } from "../traceql/sql/sql.ts";
import { ulidSource } from "../util/ulid.ts";
import { newBatchDecoder } from "./decoders.ts";

export type CompactionThreadInput = {
  readonly walDir: string;
  readonly segmentDir: string;
  readonly tempDir: string;
  readonly maxSegmentSpans: number;
};

/** The thread that builds L1 segments and merges small ones. */
const input = workerInput() as CompactionThreadInput;
const files = nodeFiles();

/** Merging reads narrow ranges of rows; it must not take memory from queries. */
const MERGE_MEMORY_BYTES = 256 * 1024 * 1024;

async function* readWal(
  range: WalRange,
  voids: readonly WalRange[],
): AsyncGenerator<WalRecord, void> {
  const voided = new LsnRanges();
  for (const v of voids) voided.add(v);
  for await (const item of scanWalRange(files, input.walDir, range)) {
    if (item.type === "entry" && !voided.has(item.record.lsn)) yield item.record;
  }
}

async function appendSegments(segments: readonly SegmentMeta[], batch: SpanBatch): Promise<void> {
  const database = await openDatabase({
    memoryLimitBytes: MERGE_MEMORY_BYTES,
    tempDir: input.tempDir,
    threads: 1,
    maxConcurrent: 1,
  });
  try {
    const rows = new RowsToSpans();
    const target = new SpansToBatch(batch);
    for (const meta of segments) {
      const columns = storedColumns(meta);
      const path = segmentPath(input.segmentDir, meta);
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

const channel = parentChannel<ToCompactionWorker, FromCompactionWorker>();
const worker = new CompactionWorker({
  newDecoder: newBatchDecoder,
  segments: new SegmentWriter({
    files,
    segmentDir: input.segmentDir,
    newId: ulidSource(systemClock.nowUnixMs),
    nowMs: systemClock.nowUnixMs,
  }),
  newSeed: randomSeed,
  readWal,
  bodyOf: (record) =>
    decompressBody(record.body, record.encoding as BodyEncoding, record.maxDecodedBytes),
  appendSegments,
  maxSegmentSpans: input.maxSegmentSpans,
});
channel.onMessage((job) => {
  // Every failure is in the reply.
  void worker.run(job).then((reply) => channel.post(reply));
});
