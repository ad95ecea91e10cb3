import { nodeFiles } from "../../../../src/drivers/files/node-files.ts";
import type { WorkerHandle } from "../../../../src/runtime/worker.ts";
import {
  type CountingJob,
  type CountingOutcome,
  runCountingJob,
} from "../../../../src/storage/segments/count/counting-job.ts";
import { CountingThreads } from "../../../../src/storage/segments/count/counting-threads.ts";

/** What the threads do, without them. */
export function counterOnThisThread(): CountingThreads {
  return new CountingThreads(fakeThread, 2, 1);
}

function fakeThread(): WorkerHandle<CountingOutcome, CountingJob> {
  const handlers: ((outcome: CountingOutcome) => void)[] = [];
  return {
    post(job) {
      void runCountingJob(nodeFiles(), job).then((outcome) => {
        for (const handler of handlers) handler(outcome);
      });
    },
    onMessage: (handler) => {
      handlers.push(handler);
    },
    onExit: () => {},
    terminate: async () => {},
  };
}
