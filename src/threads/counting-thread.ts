import { nodeFiles } from "../drivers/files/node-files.ts";
import { parentChannel } from "../runtime/worker.ts";
import {
  type CountingJob,
  type CountingOutcome,
  runCountingJob,
} from "../storage/segments/count/counting-job.ts";
import { CountingMemory } from "../storage/segments/count/counting-memory.ts";

/** A thread that counts the values of segments for queries. */
const files = nodeFiles();
const memory = new CountingMemory();
const channel = parentChannel<CountingJob, CountingOutcome>();

channel.onMessage((job) => {
  // Every failure is in the outcome.
  void runCountingJob(files, job, memory).then((outcome) => {
    const cells =
      outcome.type === "counted" ? outcome.counts.columns.map(({ cells }) => cells.buffer) : [];
    channel.post(outcome, cells);
  });
});
