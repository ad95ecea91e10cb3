import { PintailError } from "../errors.ts";
import type { WorkerHandle } from "../runtime/worker.ts";
import type { FromCompactionWorker, ToCompactionWorker } from "../storage/compaction/messages.ts";

type Distributive<T> = T extends unknown ? Omit<T, "id"> : never;
export type CompactionJob = Distributive<ToCompactionWorker>;

/** Jobs and their replies over the compaction thread's messages. */
export class JobChannel {
  readonly #worker: WorkerHandle<FromCompactionWorker, ToCompactionWorker>;
  readonly #waiting = new Map<number, PromiseWithResolvers<FromCompactionWorker>>();
  #nextId = 1;
  #dead: PintailError | undefined;

  constructor(worker: WorkerHandle<FromCompactionWorker, ToCompactionWorker>) {
    this.#worker = worker;
    worker.onMessage((reply) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
    });
    worker.onExit((cause) => {
      this.#dead = new PintailError("unavailable", "the compaction thread has stopped", { cause });
      for (const { reject } of this.#waiting.values()) reject(this.#dead);
      this.#waiting.clear();
    });
  }

  run(job: CompactionJob): Promise<FromCompactionWorker> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    const id = this.#nextId++;
    const waiting = Promise.withResolvers<FromCompactionWorker>();
    this.#waiting.set(id, waiting);
    this.#worker.post({ ...job, id } as ToCompactionWorker);
    return waiting.promise;
  }
}
