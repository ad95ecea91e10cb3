import type { BatchDecoder, NewBatchDecoder } from "../model/batch-decoder.ts";
import type { RowRange } from "../model/row-range.ts";
import { SpanBatch, type SpanBatchSizes } from "../model/span-batch.ts";
import type { Lsn, WalRange } from "../schema/segment-meta.ts";
import type { Derive } from "./messages.ts";

/** Spans of one tenant that are acknowledged and not yet in a segment. */
type TenantHead = {
  readonly batch: SpanBatch;
  readonly decoder: BatchDecoder;
  bytes: number;
  /** Number of the settings by which metrics are made of them; 0 = none are. */
  metrics: number;
  /** Spans of pushes that asked for no metrics; rising. */
  readonly skipped: RowRange[];
};

/** While one batch is written another one is filled. */
const MAX_SPARES = 2;
/** The room of smaller ones is not worth keeping. */
const MIN_SPARE_SPANS = 2000;

/** Spans of one tenant on their way into an L0 segment. */
export type FrozenHead = {
  readonly tenant: string;
  readonly batch: SpanBatch;
  readonly walRange: WalRange;
  readonly bytes: number;
  /** Of the spans alone, as OTLP protobuf. */
  readonly spanBytes: number;
  /** As of the last push. */
  readonly metrics: number;
  readonly skipped: readonly RowRange[];
};

/** What a head takes while it is empty. Tenants are the senders' choice, and may be many. */
const EMPTY_HEAD_BYTES = 350 * 1024;

/**
 * The heads of all tenants. Frozen ones stay until `written`, so that a cut that failed (disk full)
 * is tried again with the same spans.
 */
export class Heads {
  readonly #newDecoder: NewBatchDecoder;
  readonly #newSeed: () => number;
  readonly #heads = new Map<string, TenantHead>();
  #frozen: FrozenHead[] = [];
  #heldBytes = 0;

  /** Batches that were written and may be filled again. */
  readonly #spare: SpanBatch[] = [];
  /** Of the heads frozen last: the next ones begin with as much room and need not grow into it. */
  #sizes: ReadonlyMap<string, SpanBatchSizes> = new Map();

  constructor(newDecoder: NewBatchDecoder, newSeed: () => number) {
    this.#newDecoder = newDecoder;
    this.#newSeed = newSeed;
  }

  /** Size of all bodies held, frozen ones too, and of the heads themselves. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * The decoder that appends to the tenant's head. A changed `maxAttributeBytes` takes effect with
   * the next head, since one batch has one decoder.
   */
  decoderFor(tenant: string, maxAttributeBytes: number): BatchDecoder {
    let head = this.#heads.get(tenant);
    if (head === undefined) {
      const batch = this.#spare.pop() ?? new SpanBatch(this.#newSeed(), this.#sizes.get(tenant));
      const decoder = this.#newDecoder(batch, { maxAttributeBytes });
      head = { batch, decoder, bytes: EMPTY_HEAD_BYTES, metrics: 0, skipped: [] };
      this.#heads.set(tenant, head);
      this.#heldBytes += EMPTY_HEAD_BYTES;
    }
    return head.decoder;
  }

  /** A body of `bytes` is in the tenant's head now, its last spans are `spanCount`. */
  added(tenant: string, bytes: number, spanCount: number, derive: Derive): void {
    const head = this.#heads.get(tenant);
    if (head === undefined) return;
    head.bytes += bytes;
    this.#heldBytes += bytes;
    head.metrics = derive.metrics;
    const to = head.batch.spanCount;
    if (derive.skipMetrics && spanCount > 0) head.skipped.push({ from: to - spanCount, to });
  }

  /** Freezes what is there as the spans of `walRange`. */
  freeze(walRange: WalRange): void {
    this.#sizes = new Map([...this.#heads].map(([tenant, { batch }]) => [tenant, batch.sizes]));
    for (const [tenant, { decoder: _, ...head }] of this.#heads) {
      const spanBytes = head.bytes - EMPTY_HEAD_BYTES;
      if (head.batch.spanCount > 0) this.#frozen.push({ ...head, tenant, walRange, spanBytes });
      else this.#heldBytes -= head.bytes;
    }
    this.#heads.clear();
  }

  /** What waits to be written of the records before `lsn`, oldest first. */
  frozenBefore(lsn: Lsn): readonly FrozenHead[] {
    return this.#frozen.filter((frozen) => frozen.walRange.to <= lsn);
  }

  written(heads: readonly FrozenHead[]): void {
    const gone = new Set(heads);
    this.#frozen = this.#frozen.filter((frozen) => !gone.has(frozen));
    for (const { bytes } of gone) this.#heldBytes -= bytes;
  }

  /** Nobody looks at the batch any more: another head may be filled into it. */
  release({ batch }: FrozenHead): void {
    if (batch.spanCount < MIN_SPARE_SPANS || this.#spare.length >= MAX_SPARES) return;
    batch.reset();
    this.#spare.push(batch);
  }
}
