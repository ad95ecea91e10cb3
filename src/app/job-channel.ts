import { PintailError } from "../errors.ts";
import type { WorkerHandle } from "../runtime/worker.ts";
import type { FromCompactionWorker, ToCompactionWorker } from "../storage/compaction/messages.ts";

type Distributive<T> = T extends unknown ? Omit<T, "id"> : never;
export type CompactionJob = Distributive<ToCompactionWorker>;
export type CompactionThread = WorkerHandle<FromCompactionWorker, ToCompactionWorker>;

/** A merge may follow an L1, and under load the next L1 comes within seconds. */
const IDLE_MS = 15_000;

/**
 * Jobs and their replies over the compaction thread's messages. The thread is there while there is
 * work: it starts with a job and ends when none came for `idleMs`, since a thread that has built a
 * segment holds much memory.
 */
export class JobChannel {
  readonly #spawn: () => CompactionThread;
  readonly #idleMs: number;
  #thread: CompactionThread | undefined;
  readonly #waiting = new Map<number, PromiseWithResolvers<FromCompactionWorker>>();
  #nextId = 1;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(spawn: () => CompactionThread, idleMs = IDLE_MS) {
    this.#spawn = spawn;
    this.#idleMs = idleMs;
  }

  /** Rejects with `unavailable` when the thread dies under the job; the next job gets a new one. */
  run(job: CompactionJob): Promise<FromCompactionWorker> {
    if (this.#closed) return Promise.reject(stopped());
    clearTimeout(this.#idleTimer);
    const id = this.#nextId++;
    const waiting = Promise.withResolvers<FromCompactionWorker>();
    this.#waiting.set(id, waiting);
    this.#thread ??= this.#start();
    this.#thread.post({ ...job, id } as ToCompactionWorker);
    return waiting.promise;
  }

  /** Ends the thread, whatever it does; jobs under way are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    await this.#thread?.terminate();
    this.#fail(stopped());
  }

  #start(): CompactionThread {
    const thread = this.#spawn();
    thread.onMessage((reply) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size > 0 || this.#closed) return;
      this.#idleTimer = setTimeout(() => {
        this.#thread = undefined;
        thread.terminate().catch(() => {});
      }, this.#idleMs);
    });
    thread.onExit((cause) => {
      if (this.#thread === thread) this.#thread = undefined;
      this.#fail(stopped(cause));
    });
    return thread;
  }

  #fail(error: PintailError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function stopped(cause?: unknown): PintailError {
  return new PintailError("unavailable", "the compaction thread has stopped", { cause });
}
