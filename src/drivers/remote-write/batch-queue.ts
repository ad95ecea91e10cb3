export type WriteBatch = {
  readonly tenant: string;
  /** Sent beside the endpoint's own, and instead of them where both have a name. */
  readonly headers: Readonly<Record<string, string>>;
  /** A `prometheus.WriteRequest`, not compressed; belongs to the queue from now on. */
  readonly body: Uint8Array;
  readonly sampleCount: number;
  readonly exemplarCount: number;
};

export type HeldBatch = {
  readonly batch: WriteBatch;
  /** Rises with each batch. */
  readonly order: number;
  attempts: number;
  /** A request with it was sent, and is not answered. */
  underWay: boolean;
};

export type QueueLimits = { readonly maxSamples: number; readonly maxBytes: number };

/** What a batch takes beside its body, so that empty ones are bounded, too. */
const BATCH_BYTES = 512;

/**
 * Batches until they are settled, those of a tenant in their order. Those under way count towards
 * the bounds, but only others make room.
 */
export class BatchQueue {
  readonly #limits: QueueLimits;
  readonly #byTenant = new Map<string, HeldBatch[]>();
  #pushed = 0;
  #samples = 0;
  #bytes = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#byTenant.size === 0;
  }

  /** The batches that had to go, oldest first; the new one itself when nothing else is left. */
  push(batch: WriteBatch): readonly WriteBatch[] {
    const { maxSamples, maxBytes } = this.#limits;
    // It would drive out all others, and then itself.
    if (batch.sampleCount > maxSamples || bytesOf(batch) > maxBytes) return [batch];
    const held: HeldBatch = { batch, order: this.#pushed++, attempts: 0, underWay: false };
    const others = this.#byTenant.get(batch.tenant);
    if (others === undefined) this.#byTenant.set(batch.tenant, [held]);
    else others.push(held);
    this.#samples += batch.sampleCount;
    this.#bytes += bytesOf(batch);
    const dropped: WriteBatch[] = [];
    while (this.#samples > maxSamples || this.#bytes > maxBytes) {
      const oldest = this.#oldestWaiting();
      if (oldest === undefined) break;
      this.remove(oldest);
      dropped.push(oldest.batch);
    }
    return dropped;
  }

  first(tenant: string): HeldBatch | undefined {
    return this.#byTenant.get(tenant)?.[0];
  }

  /** False when it had gone before. */
  remove(held: HeldBatch): boolean {
    const { tenant } = held.batch;
    const all = this.#byTenant.get(tenant);
    const at = all?.indexOf(held) ?? -1;
    if (all === undefined || at < 0) return false;
    all.splice(at, 1);
    if (all.length === 0) this.#byTenant.delete(tenant);
    this.#samples -= held.batch.sampleCount;
    this.#bytes -= bytesOf(held.batch);
    return true;
  }

  /** Empties the queue; the result was in it. */
  clear(): readonly WriteBatch[] {
    const all = [...this.#byTenant.values()].flat().map(({ batch }) => batch);
    this.#byTenant.clear();
    this.#samples = 0;
    this.#bytes = 0;
    return all;
  }

  #oldestWaiting(): HeldBatch | undefined {
    let oldest: HeldBatch | undefined;
    for (const [first, second] of this.#byTenant.values()) {
      const waiting = first?.underWay === true ? second : first;
      if (waiting === undefined) continue;
      if (oldest === undefined || waiting.order < oldest.order) oldest = waiting;
    }
    return oldest;
  }
}

function bytesOf({ body }: WriteBatch): number {
  return body.length + BATCH_BYTES;
}
