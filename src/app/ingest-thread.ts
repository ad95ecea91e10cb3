import type { WorkerPort } from "../ingest/ingest-channel.ts";
import type { FromIngestWorker, ToIngestWorker } from "../ingest/messages.ts";
import {
  GeneratorClient,
  type GeneratorClientParts,
} from "../metrics-generator/generator-client.ts";
import {
  type FromGenerator,
  isFromGenerator,
  type ToGenerator,
} from "../metrics-generator/messages.ts";
import type { SharedSettings } from "../metrics-generator/tenant-metrics.ts";
import { spawnWorker, type WorkerHandle, workerOnDemand } from "../runtime/worker.ts";

/** What becomes of the metrics that are derived from spans. */
export type GeneratorParts = Omit<GeneratorClientParts, "post"> & {
  readonly shared: SharedSettings;
};

export type IngestThreadParts = {
  readonly segmentDir: string;
  /** Undefined: none are derived. */
  readonly generator: GeneratorParts | undefined;
  /** The thread died. */
  readonly onExit: (error: Error) => void;
};

/** The thread that has the spans: a port to store them, and one to derive metrics from them. */
export class IngestThread {
  readonly port: WorkerPort<ToIngestWorker, FromIngestWorker>;
  readonly generator: GeneratorClient | undefined;
  readonly #worker: WorkerHandle<FromIngestWorker | FromGenerator, ToIngestWorker | ToGenerator>;

  constructor({ segmentDir, generator, onExit }: IngestThreadParts) {
    const worker = workerOnDemand(() =>
      spawnWorker<FromIngestWorker | FromGenerator, ToIngestWorker | ToGenerator>(
        new URL("../threads/ingest-thread.ts", import.meta.url),
        { name: "ingest", data: { segmentDir, generator: generator?.shared } },
      ),
    );
    this.#worker = worker;
    worker.onExit(onExit);
    const client =
      generator && new GeneratorClient({ ...generator, post: (message) => worker.post(message) });
    this.generator = client;
    if (client !== undefined) {
      worker.onMessage((message) => {
        if (isFromGenerator(message)) client.receive(message);
      });
    }
    this.port = {
      post: (message, transfer) => worker.post(message, transfer),
      onMessage: (listener) =>
        worker.onMessage((message) => {
          if (!isFromGenerator(message)) listener(message);
        }),
      onExit: (listener) => worker.onExit(listener),
    };
  }

  terminate(): Promise<void> {
    return this.#worker.terminate();
  }
}
