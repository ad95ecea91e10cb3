import { isPintailError } from "../../errors.ts";
import type { BatchDecoder, NewBatchDecoder } from "../../model/batch-decoder.ts";
import { DecodeError } from "../../model/decode-error.ts";
import { SpanBatch, type SpanBatchSizes } from "../../model/span-batch.ts";
import { reached } from "../../runtime/failpoints.ts";
import type { SegmentMeta, WalRange } from "../../schema/segment-meta.ts";
import { DamagedSegmentError } from "../segments/read/read-error.ts";
import type { SegmentIdentity, SegmentWriter } from "../segments/segment-writer.ts";
import type { WalRecord } from "../wal/wal-format.ts";
import type { FromCompactionWorker, MergeInput, ToCompactionWorker } from "./messages.ts";
import { unpackTraceIds } from "./trace-set.ts";

export type CompactionWorkerParts = {
  readonly newDecoder: NewBatchDecoder;
  readonly segments: SegmentWriter;
  readonly newSeed: () => number;
  /** The WAL's records in the range, in order, without those in `voids`. */
  readonly readWal: (range: WalRange, voids: readonly WalRange[]) => AsyncIterable<WalRecord>;
  /** The decompressed body. */
  readonly bodyOf: (record: WalRecord) => Uint8Array;
  /** Appends the spans of segments to `batch`, but for those that the options leave out. */
  readonly appendSegments: (
    inputs: readonly MergeInput[],
    batch: SpanBatch,
    options: {
      readonly keepTraces: ReadonlySet<string> | undefined;
      readonly hiddenTraces: ReadonlySet<string> | undefined;
      readonly onlyIfLess: boolean | undefined;
    },
  ) => Promise<{ readonly leftOut: number; readonly unchanged: boolean }>;
  /** Milliseconds of CPU that this thread has used; only differences count. */
  readonly cpuMs: () => number;
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
    const startedMs = this.#parts.cpuMs();
    try {
      const result = await (job.type === "l1"
        ? this.#buildL1(job, output)
        : this.#merge(job, output));
      const cpuMs = this.#parts.cpuMs() - startedMs;
      return { type: "done", id: job.id, metas: output.metas, ...result, cpuMs };
    } catch (e) {
      await this.#parts.segments.remove(output.metas).catch(() => {});
      const message = e instanceof Error ? (e.stack ?? e.message) : String(e);
      const damagedId = e instanceof DamagedSegmentError ? e.segmentId : undefined;
      const kind = isPintailError(e) ? e.kind : "internal";
      return { type: "failed", id: job.id, kind, message, damagedId };
    }
  }

  async #buildL1(
    job: Extract<ToCompactionWorker, { type: "l1" }>,
    output: Output,
  ): Promise<Counts> {
    const { walRange, usedKeys } = job;
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
        usedKeys,
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
    return { undecodable, leftOut: 0, unchanged: false };
  }

  async #merge(
    job: Extract<ToCompactionWorker, { type: "merge" }>,
    output: Output,
  ): Promise<Counts> {
    const { tenant, inputs, retentionClass, usedKeys, onlyIfLess } = job;
    const level = Math.max(2, ...inputs.map(({ meta }) => meta.level + 1));
    const replaces = inputs.map(({ meta }) => meta.id);
    const identity = { tenant, level, walRange: undefined, replaces, retentionClass, usedKeys };
    const target = output.target(tenant, { ...identity, maxAttributeBytes: 0 });
    const idsOf = (packed: ArrayBuffer | undefined) =>
      packed === undefined ? undefined : unpackTraceIds(packed);
    const appended = await this.#parts.appendSegments(inputs, target.batch, {
      keepTraces: idsOf(job.keepTraces),
      hiddenTraces: idsOf(job.hiddenTraces),
      onlyIfLess,
    });
    await output.writeAll();
    return { undecodable: 0, ...appended };
  }
}

type Counts = Pick<
  Extract<FromCompactionWorker, { type: "done" }>,
  "undecodable" | "leftOut" | "unchanged"
>;

type TargetOptions = SegmentIdentity & { readonly maxAttributeBytes: number };
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
    const { maxAttributeBytes: _, ...identity } = target.options;
    const { tenant } = identity;
    const { batch } = target;
    // Let go before the wait: the next spans must not pile on these.
    this.#targets.delete(tenant);
    if (batch.spanCount === 0) return;
    if (this.#sizes.size >= MAX_TARGETS) this.#sizes.clear();
    this.#sizes.set(tenant, batch.sizes);
    this.metas.push(await this.#parts.segments.write(batch, identity));
    reached("l1:half-written");
    batch.reset();
    this.#spare.batch = batch;
  }
}
