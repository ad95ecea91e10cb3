import { PintailError } from "../../../errors.ts";
import type { WorkerHandle } from "../../../runtime/worker.ts";
import type {
  CountedFile,
  CountingJob,
  CountingOutcome,
  FilesCounts,
  FilesRequest,
} from "./counting-job.ts";

/** Counts the values of segments' files without the database. */
export interface ValueCounter {
  /** Jobs that are worked on at the same time; more of them wait. */
  readonly parallelJobs: number;
  /**
   * Of the first files, one at least; a file that the counter does not know has all columns refused.
   * `undefined` when the thread died of them: the database is to be asked then. Rejects with
   * `canceled` as soon as the signal is aborted, with `not_found` when the first file is not there,
   * with `corrupt` when it is damaged.
   */
  count(
    files: readonly CountedFile[],
    request: FilesRequest,
    signal: AbortSignal,
  ): Promise<FilesCounts | undefined>;
}

export type CountingThread = WorkerHandle<CountingOutcome, CountingJob>;

type Job = {
  readonly files: readonly CountedFile[];
  readonly request: FilesRequest;
  readonly signal: AbortSignal;
  readonly result: PromiseWithResolvers<FilesCounts | undefined>;
};

/** A thread, and who is to be told of its job's end; `undefined` when the thread has died. */
type Slot = {
  readonly thread: CountingThread;
  onEnd: ((outcome: CountingOutcome | undefined) => void) | undefined;
};

/** An idle thread holds some 15 MB; the next query starts one in some 50 ms. */
const IDLE_MS = 30_000;

/** Threads that count, each one job at a time; they start when there is work and end after it. */
export class CountingThreads implements ValueCounter {
  readonly parallelJobs: number;
  readonly #spawn: () => CountingThread;
  readonly #idleMs: number;
  readonly #idle: Slot[] = [];
  readonly #busy = new Set<Slot>();
  readonly #waiting: Job[] = [];
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(spawn: () => CountingThread, threads: number, idleMs = IDLE_MS) {
    this.#spawn = spawn;
    this.parallelJobs = threads;
    this.#idleMs = idleMs;
  }

  count(
    files: readonly CountedFile[],
    request: FilesRequest,
    signal: AbortSignal,
  ): Promise<FilesCounts | undefined> {
    if (this.#closed) return Promise.reject(stopped());
    if (signal.aborted) return Promise.reject(canceled());
    const result = Promise.withResolvers<FilesCounts | undefined>();
    this.#waiting.push({ files, request, signal, result });
    this.#next();
    return result.promise;
  }

  /** Ends all threads, whatever they do; jobs under way are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    for (const { result } of this.#waiting.splice(0)) result.reject(stopped());
    const slots = [...this.#idle.splice(0), ...this.#busy];
    await Promise.all(slots.map(({ thread }) => thread.terminate()));
    for (const { onEnd } of slots) onEnd?.(undefined);
  }

  #next(): void {
    while (!this.#closed && this.#busy.size < this.parallelJobs) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      if (job.signal.aborted) job.result.reject(canceled());
      else this.#run(job);
    }
  }

  #run({ files, request, signal, result }: Job): void {
    clearTimeout(this.#idleTimer);
    const slot = this.#idle.pop() ?? this.#start();
    this.#busy.add(slot);
    const stop = new SharedArrayBuffer(4);
    const onAbort = (): void => {
      Atomics.store(new Int32Array(stop), 0, 1);
      result.reject(canceled());
    };
    signal.addEventListener("abort", onAbort, { once: true });
    slot.onEnd = (outcome) => {
      slot.onEnd = undefined;
      signal.removeEventListener("abort", onAbort);
      settle(outcome, files[0]?.path, result);
      this.#busy.delete(slot);
      if (outcome !== undefined && !this.#closed) this.#idle.push(slot);
      this.#next();
      if (this.#busy.size === 0) this.#retireLater();
    };
    slot.thread.post({ files, request, stop });
  }

  #start(): Slot {
    const slot: Slot = { thread: this.#spawn(), onEnd: undefined };
    slot.thread.onMessage((outcome) => slot.onEnd?.(outcome));
    slot.thread.onExit(() => {
      const at = this.#idle.indexOf(slot);
      if (at >= 0) this.#idle.splice(at, 1);
      slot.onEnd?.(undefined);
    });
    return slot;
  }

  #retireLater(): void {
    clearTimeout(this.#idleTimer);
    if (this.#closed || this.#idle.length === 0) return;
    this.#idleTimer = setTimeout(() => {
      for (const { thread } of this.#idle.splice(0)) thread.terminate().catch(() => {});
    }, this.#idleMs);
  }
}

function settle(
  outcome: CountingOutcome | undefined,
  path: string | undefined,
  { resolve, reject }: PromiseWithResolvers<FilesCounts | undefined>,
): void {
  // What a thread died of, such as a lack of memory, need not befall the database.
  switch (outcome?.type) {
    case undefined:
    case "none":
      resolve(undefined);
      break;
    case "counted":
      resolve(outcome.counts);
      break;
    case "gone":
      reject(new PintailError("not_found", `no file ${path}`));
      break;
    case "damaged":
      reject(new PintailError("corrupt", outcome.message));
      break;
    case "failed":
      reject(new Error("counting values failed", { cause: outcome.error }));
  }
}

function canceled(): PintailError {
  return new PintailError("canceled", "query canceled");
}

function stopped(): PintailError {
  return new PintailError("unavailable", "the server is stopping");
}
