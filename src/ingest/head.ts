import type { BatchDecoder, NewBatchDecoder } from "../model/batch-decoder.ts";
import { SpanBatch } from "../model/span-batch.ts";
import type { Lsn, WalRange } from "../schema/segment-meta.ts";

/** Spans of one tenant that are acknowledged and not yet in a segment. */
type TenantHead = { batch: SpanBatch; decoder: BatchDecoder; maxAttributeBytes: number };

/** Spans of one tenant on their way into an L0 segment. */
export type FrozenHead = {
  readonly tenant: string;
  readonly batch: SpanBatch;
  readonly walRange: WalRange;
};

/**
 * The heads of all tenants. Frozen ones stay until `written`, so that a cut that failed (disk full)
 * is tried again with the same spans.
 */
export class Heads {
  readonly #newDecoder: NewBatchDecoder;
  readonly #newSeed: () => number;
  readonly #heads = new Map<string, TenantHead>();
  #frozen: FrozenHead[] = [];

  constructor(newDecoder: NewBatchDecoder, newSeed: () => number) {
    this.#newDecoder = newDecoder;
    this.#newSeed = newSeed;
  }

  /** Spans held, frozen ones too. */
  spanCount(): number {
    let count = 0;
    for (const head of this.#heads.values()) count += head.batch.spanCount;
    for (const frozen of this.#frozen) count += frozen.batch.spanCount;
    return count;
  }

  /**
   * The decoder that appends to the tenant's head. A changed `maxAttributeBytes` takes effect with
   * the next head, since one batch has one decoder.
   */
  decoderFor(tenant: string, maxAttributeBytes: number): BatchDecoder {
    let head = this.#heads.get(tenant);
    if (head === undefined) {
      const batch = new SpanBatch(this.#newSeed());
      head = { batch, decoder: this.#newDecoder(batch, { maxAttributeBytes }), maxAttributeBytes };
      this.#heads.set(tenant, head);
    }
    return head.decoder;
  }

  /** Freezes what is there as the spans of `walRange`. */
  freeze(walRange: WalRange): void {
    for (const [tenant, head] of this.#heads) {
      if (head.batch.spanCount > 0) this.#frozen.push({ tenant, batch: head.batch, walRange });
    }
    this.#heads.clear();
  }

  /** What waits to be written of the records before `lsn`, oldest first. */
  frozenBefore(lsn: Lsn): readonly FrozenHead[] {
    return this.#frozen.filter((frozen) => frozen.walRange.to <= lsn);
  }

  written(heads: readonly FrozenHead[]): void {
    this.#frozen = this.#frozen.filter((frozen) => !heads.includes(frozen));
  }
}
