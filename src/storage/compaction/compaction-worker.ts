import { isPintailError } from "../../errors.ts";
import type { BatchDecoder, NewBatchDecoder } from "../../model/batch-decoder.ts";
import { DecodeError } from "../../model/decode-error.ts";
import { SpanBatch, type SpanBatchSizes } from "../../model/span-batch.ts";
import type { SegmentMeta, WalRange } from "../../schema/segment-meta.ts";
import type { SegmentWriter } from "../segments/segment-writer.ts";
import type { WalRecord } from "../wal/wal-format.ts";
import type { FromCompactionWorker, ToCompactionWorker } from "./messages.ts";

export type CompactionWorkerParts = {
  readonly newDecoder: NewBatchDecoder;
  readonly segments: SegmentWriter;
  readonly newSeed: () => number;
  /** The WAL's records in the range, in order, without those in `voids`. */
  readonly readWal: (range: WalRange, voids: readonly WalRange[]) => AsyncIterable<WalRecord>;
  /** The decompressed body. */
  readonly bodyOf: (record: WalRecord) => Uint8Array;
  /** Appends all spans of a segment to `batch`. */
  readonly appendSegments: (segments: readonly SegmentMeta[], batch: SpanBatch) => Promise<void>;
  /** A segment gets at most about this many spans. */
  readonly maxSegmentSpans: number;
};

/** The compaction worker without its thread: builds L1 from the WAL and merges small segments. */
export class CompactionWorker {
  readonly #parts: CompactionWorkerParts;
  #turn: Promise<unknown> = Promise.resolve();
  /** Of each tenant's last segment: the next one is likely as large. */
  readonly #sizes = new Map<string, SpanBatchSizes>();
  /** The batch that was written last, to be filled again: its room is large. */
  readonly #spare: { batch: SpanBatch | undefined } = { batch: undefined };

  constructor(parts: CompactionWorkerParts) {
    this.#parts = parts;
  }

  /** Jobs run one after the other: each may hold a segment's worth of spans. */
  run(job: ToCompactionWorker): Promise<FromCompactionWorker> {
    const done = this.#turn.then(() => this.#run(job));
    this.#turn = done;
    return done;
  }

  async #run(job: ToCompactionWorker): Promise<FromCompactionWorker> {
    const output = new Output(this.#parts, this.#sizes, this.#spare);
    try {
      const undecodable = await (job.type === "l1"
        ? this.#buildL1(job, output)
        : this.#merge(job, output));
      return { type: "done", id: job.id, metas: output.metas, undecodable };
    } catch (e) {
      await this.#parts.segments.remove(output.metas).catch(() => {});
      const message = e instanceof Error ? (e.stack ?? e.message) : String(e);
      return { type: "failed", id: job.id, kind: isPintailError(e) ? e.kind : "internal", message };
    }
  }

  async #buildL1(
    job: Extract<ToCompactionWorker, { type: "l1" }>,
    output: Output,
  ): Promise<number> {
    const { walRange } = job;
    const maxAttributeBytes = new Map(job.maxAttributeBytes.map((m) => [m.tenant, m.bytes]));
    const replaces = new Map(job.replaces.map((r) => [r.tenant, r.ids]));
    let undecodable = 0;
    for await (const record of this.#parts.readWal(walRange, job.voids)) {
      const { tenant } = record;
      const target = output.target(tenant, {
        tenant,
        level: 1,
        walRange,
        replaces: replaces.get(tenant) ?? [],
        maxAttributeBytes: maxAttributeBytes.get(tenant) ?? job.defaultMaxAttributeBytes,
      });
      try {
        const body = this.#parts.bodyOf(record);
        target.decoder.decode(record.format, body, undefined, record.receivedUnixMs);
      } catch (e) {
        // The ingest worker refused it too: it was never acknowledged, or replay set it aside.
        if (!(e instanceof DecodeError) && !isPintailError(e)) throw e;
        undecodable++;
        continue;
      }
      await output.writeFull(target);
    }
    await output.writeAll();
    return undecodable;
  }

  async #merge(
    job: Extract<ToCompactionWorker, { type: "merge" }>,
    output: Output,
  ): Promise<number> {
    const { tenant, segments } = job;
    const level = Math.max(...segments.map((s) => s.level)) + 1;
    const replaces = segments.map((s) => s.id);
    const walRange = undefined;
    const options = { tenant, level: Math.max(2, level), walRange, replaces, maxAttributeBytes: 0 };
    await this.#parts.appendSegments(segments, output.target(tenant, options).batch);
    await output.writeAll();
    return 0;
  }
}

type TargetOptions = {
  readonly tenant: string;
  readonly level: number;
  readonly walRange: WalRange | undefined;
  readonly replaces: readonly string[];
  readonly maxAttributeBytes: number;
};
type Target = {
  readonly options: TargetOptions;
  readonly batch: SpanBatch;
  readonly decoder: BatchDecoder;
};

/** An empty batch takes 350 KB, so a range with very many tenants cannot hold one for each. */
const MAX_TARGETS = 256;

/** The segments of one job: one batch per tenant, written when full and at the end. */
class Output {
  readonly metas: SegmentMeta[] = [];
  readonly #parts: CompactionWorkerParts;
  readonly #targets = new Map<string, Target>();
  readonly #sizes: Map<string, SpanBatchSizes>;
  readonly #spare: { batch: SpanBatch | undefined };

  constructor(
    parts: CompactionWorkerParts,
    sizes: Map<string, SpanBatchSizes>,
    spare: { batch: SpanBatch | undefined },
  ) {
    this.#parts = parts;
    this.#sizes = sizes;
    this.#spare = spare;
  }

  target(tenant: string, options: TargetOptions): Target {
    let target = this.#targets.get(tenant);
    if (target === undefined) {
      const batch =
        this.#spare.batch ?? new SpanBatch(this.#parts.newSeed(), this.#sizes.get(tenant));
      this.#spare.batch = undefined;
      target = { options, batch, decoder: this.#parts.newDecoder(batch, options) };
      this.#targets.set(tenant, target);
    }
    return target;
  }

  /** Writes `target` when it is full, and the fullest when all together hold too much. */
  async writeFull(target: Target): Promise<void> {
    if (target.batch.spanCount >= this.#parts.maxSegmentSpans) return this.#write(target);
    if (this.#targets.size === 1) return;
    let total = 0;
    let fullest = target;
    for (const t of this.#targets.values()) {
      total += t.batch.spanCount;
      if (t.batch.spanCount > fullest.batch.spanCount) fullest = t;
    }
    const tooMuch = total >= 2 * this.#parts.maxSegmentSpans || this.#targets.size > MAX_TARGETS;
    if (tooMuch) await this.#write(fullest);
  }

  async writeAll(): Promise<void> {
    for (const target of this.#targets.values()) await this.#write(target);
  }

  async #write(target: Target): Promise<void> {
    const { tenant, level, walRange, replaces } = target.options;
    const { batch } = target;
    // Let go before the wait: the next spans must not pile on these.
    this.#targets.delete(tenant);
    if (batch.spanCount === 0) return;
    if (this.#sizes.size >= MAX_TARGETS) this.#sizes.clear();
    this.#sizes.set(tenant, batch.sizes);
    this.metas.push(await this.#parts.segments.write(batch, { tenant, level, walRange, replaces }));
    batch.reset();
    this.#spare.batch = batch;
  }
}
