import { nodeFiles } from "../drivers/files/node-files.ts";
import { decompressBody } from "../ingest/decompress.ts";
import type { BodyEncoding } from "../ingest/ingest.ts";
import { randomSeed, systemClock } from "../runtime/clock.ts";
import { threadCpuMs } from "../runtime/thread-cpu.ts";
import { parentChannel, workerInput } from "../runtime/worker.ts";
import type { WalRange } from "../schema/segment-meta.ts";
import { CompactionWorker } from "../storage/compaction/compaction-worker.ts";
import type { FromCompactionWorker, ToCompactionWorker } from "../storage/compaction/messages.ts";
import { SegmentWriter } from "../storage/segments/segment-writer.ts";
import { LsnRanges } from "../storage/wal/lsn-ranges.ts";
import { scanWalRange } from "../storage/wal/read-range.ts";
import type { WalRecord } from "../storage/wal/wal-format.ts";
import { ulidSource } from "../util/ulid.ts";
import { appendSegments } from "./append-segments.ts";
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
  appendSegments: (inputs, batch, options) => appendSegments(input, inputs, batch, options),
  cpuMs: threadCpuMs,
  maxSegmentSpans: input.maxSegmentSpans,
});
channel.onMessage((job) => {
  // Every failure is in the reply.
  void worker.run(job).then((reply) => channel.post(reply));
});
