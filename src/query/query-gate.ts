import { PintailError } from "../errors.ts";

export type QueryGateSettings = {
  readonly maxConcurrentQueries: number;
  readonly maxOutstandingPerTenant: number;
};

type Waiter = { readonly admit: () => void };

/**
 * Bounds how many queries run at once: each holds a thread of the pool that file I/O needs too.
 * Waiting queries queue per tenant and tenants take turns, so that one cannot starve another.
 */
export class QueryGate {
  readonly #settings: QueryGateSettings;
  /** In turn order: the first tenant's first waiter is next. Tenants without waiters are absent. */
  readonly #queues = new Map<string, Waiter[]>();
  #running = 0;

  constructor(settings: QueryGateSettings) {
    this.#settings = settings;
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Runs `work` when there is a place. Throws `limited` when the tenant's queue is full, and
   * `canceled` when `signal` aborts before the turn comes.
   */
  async run<T>(
    tenant: string,
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    await this.#enter(tenant, signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(tenant: string, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw new PintailError("canceled", "query canceled before it began");
    if (this.#running < this.#settings.maxConcurrentQueries && this.#queues.size === 0) {
      this.#running++;
      return;
    }
    const queue = this.#queues.get(tenant) ?? [];
    if (queue.length >= this.#settings.maxOutstandingPerTenant) {
      throw new PintailError("limited", "too many outstanding requests", { retryAfterMs: 1000 });
    }
    this.#queues.set(tenant, queue);
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        const at = queue.indexOf(waiter);
        if (at < 0) return;
        queue.splice(at, 1);
        if (queue.length === 0) this.#queues.delete(tenant);
        reject(new PintailError("canceled", "query canceled while it waited for its turn"));
      };
      const waiter: Waiter = {
        admit: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      queue.push(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #leave(): void {
    const next = this.#queues.entries().next();
    if (next.done === true) {
      this.#running--;
      return;
    }
    // The place passes to the waiter: `#running` stays.
    const [tenant, queue] = next.value;
    const waiter = queue.shift();
    this.#queues.delete(tenant);
    if (queue.length > 0) this.#queues.set(tenant, queue);
    waiter?.admit();
  }
}
