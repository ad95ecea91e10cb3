import { nodeFiles } from "../drivers/files/node-files.ts";
import { IngestWorker } from "../ingest/ingest-worker.ts";
import type { FromIngestWorker, ToIngestWorker } from "../ingest/messages.ts";
import { randomSeed, systemClock } from "../runtime/clock.ts";
import { parentChannel, workerInput } from "../runtime/worker.ts";
import { SegmentWriter } from "../storage/segments/segment-writer.ts";
import { ulidSource } from "../util/ulid.ts";
import { newBatchDecoder } from "./decoders.ts";

/** The thread that decodes requests and writes L0 segments. */
const { segmentDir } = workerInput() as { readonly segmentDir: string };
const channel = parentChannel<ToIngestWorker, FromIngestWorker>();
const worker = new IngestWorker({
  newDecoder: newBatchDecoder,
  segments: new SegmentWriter({
    files: nodeFiles(),
    segmentDir,
    newId: ulidSource(systemClock.nowUnixMs),
    nowMs: systemClock.nowUnixMs,
  }),
  newSeed: randomSeed,
  nowMs: systemClock.nowUnixMs,
  send: (message) => channel.post(message),
});
channel.onMessage((message) => worker.receive(message));
