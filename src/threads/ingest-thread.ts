import { nodeFiles } from "../drivers/files/node-files.ts";
import { IngestWorker } from "../ingest/ingest-worker.ts";
import type { FromIngestWorker, ToIngestWorker } from "../ingest/messages.ts";
import {
  type FromGenerator,
  isToGenerator,
  type ToGenerator,
} from "../metrics-generator/messages.ts";
import { MetricsGenerator } from "../metrics-generator/metrics-generator.ts";
import type { SharedSettings } from "../metrics-generator/tenant-metrics.ts";
import { randomSeed, systemClock } from "../runtime/clock.ts";
import { parentChannel, workerInput } from "../runtime/worker.ts";
import { SegmentWriter } from "../storage/segments/segment-writer.ts";
import { ulidSource } from "../util/ulid.ts";
import { newBatchDecoder } from "./decoders.ts";

/** Samples are sent when they are due, by this much late. */
const GENERATOR_TICK_MS = 1000;

/** The thread that decodes requests, writes L0 segments and derives metrics from their spans. */
const { segmentDir, generator: shared } = workerInput() as {
  readonly segmentDir: string;
  readonly generator: SharedSettings | undefined;
};
const channel = parentChannel<ToIngestWorker | ToGenerator, FromIngestWorker | FromGenerator>();
const generator = shared && newGenerator(shared);
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
  derive:
    generator &&
    (({ tenant, metrics, batch, skipped, spanBytes }) =>
      generator.observe(tenant, metrics, { batch, skipped, bytes: spanBytes })),
});
channel.onMessage((message) => {
  if (!isToGenerator(message)) worker.receive(message);
  // The last spans are to be in the last samples.
  else if (message.type === "generator-flush") void worker.idle().then(() => tell(message));
  else tell(message);
});

function tell(message: ToGenerator): void {
  generator?.receive(message);
}

function newGenerator(settings: SharedSettings): MetricsGenerator {
  const made = new MetricsGenerator(
    {
      send: (message, transfer) => channel.post(message, transfer),
      nowMs: systemClock.nowUnixMs,
      pause: () => new Promise((resolve) => setImmediate(resolve)),
    },
    settings,
  );
  setInterval(() => void made.tick(), GENERATOR_TICK_MS);
  return made;
}
