import { parentPort, Worker, workerData } from "node:worker_threads";

/** One end of a typed channel between a thread and a worker it started. */
export interface MessageChannelEnd<In, Out> {
  /**
   * Sends `message`. Each buffer in `transfer` moves instead of being copied and is empty here
   * afterwards. Put the `ArrayBuffer` itself into the message: views of one are slow on Deno.
   */
  post(message: Out, transfer?: readonly ArrayBuffer[]): void;
  onMessage(handler: (message: In) => void): void;
}

export interface WorkerHandle<In, Out> extends MessageChannelEnd<In, Out> {
  /**
   * Calls `handler` once when the worker ends by itself: with the error that it threw, or with one
   * that names the exit code. Not called after `terminate`.
   */
  onExit(handler: (error: Error) => void): void;
  /** Resolves when the worker has ended. Messages that it did not handle are lost. */
  terminate(): Promise<void>;
}

export type WorkerOptions = { readonly name: string; readonly data?: unknown };

/**
 * Starts `module` (a `.ts` file) as a worker thread. `In` is what the worker sends, `Out` what it
 * receives; both must survive a structured clone.
 */
export function spawnWorker<In, Out>(module: URL, options: WorkerOptions): WorkerHandle<In, Out> {
  const worker = new Worker(module, { name: options.name, workerData: options.data });
  const exitHandlers: ((error: Error) => void)[] = [];
  let ended = false;
  const end = (error: Error) => {
    if (ended) return;
    ended = true;
    for (const handler of exitHandlers) handler(error);
  };
  worker.on("error", (error) => end(error instanceof Error ? error : new Error(String(error))));
  worker.on("messageerror", (error) => end(error));
  worker.on("exit", (code) => end(new Error(`worker ${options.name} exited with code ${code}`)));
  return {
    post(message, transfer) {
      worker.postMessage(message, transfer as ArrayBuffer[] | undefined);
    },
    onMessage(handler) {
      worker.on("message", handler);
    },
    onExit(handler) {
      exitHandlers.push(handler);
    },
    async terminate() {
      ended = true;
      await worker.terminate();
    },
  };
}

/**
 * A worker that starts with the first message to it: an idle thread of its own takes some 15 MB.
 * Nothing can be sent after `terminate`.
 */
export function workerOnDemand<In, Out>(spawn: () => WorkerHandle<In, Out>): WorkerHandle<In, Out> {
  const onMessage: ((message: In) => void)[] = [];
  const onExit: ((error: Error) => void)[] = [];
  let worker: WorkerHandle<In, Out> | undefined;
  let ended = false;
  const start = (): WorkerHandle<In, Out> => {
    if (ended) throw new Error("the worker was terminated");
    const started = spawn();
    for (const handler of onMessage) started.onMessage(handler);
    for (const handler of onExit) started.onExit(handler);
    return started;
  };
  return {
    post(message, transfer) {
      worker ??= start();
      worker.post(message, transfer);
    },
    onMessage(handler) {
      onMessage.push(handler);
      worker?.onMessage(handler);
    },
    onExit(handler) {
      onExit.push(handler);
      worker?.onExit(handler);
    },
    async terminate() {
      ended = true;
      await worker?.terminate();
    },
  };
}

/** The worker's end of the channel. Throws on the main thread. */
export function parentChannel<In, Out>(): MessageChannelEnd<In, Out> {
  const port = parentPort;
  if (port === null) throw new Error("there is no parent thread");
  return {
    post(message, transfer) {
      port.postMessage(message, transfer as ArrayBuffer[] | undefined);
    },
    onMessage(handler) {
      port.on("message", handler);
    },
  };
}

/** What `spawnWorker` was given as `data`; the caller knows its shape. */
export function workerInput(): unknown {
  return workerData;
}
