import { isPintailError, PintailError } from "../errors.ts";
import type { BatchDecoder, NewBatchDecoder, TruncatedAttributes } from "../model/batch-decoder.ts";
import { DecodeError } from "../model/decode-error.ts";
import { reached } from "../runtime/failpoints.ts";
import type { Lsn, SegmentMeta } from "../schema/segment-meta.ts";
import { SegmentWriteError, type SegmentWriter } from "../storage/segments/segment-writer.ts";
import { freeBuffer } from "../util/free-buffer.ts";
import { TokenBucket } from "../util/token-bucket.ts";
import { decompressBody } from "./decompress.ts";
import { type FrozenHead, Heads } from "./head.ts";
import type { FromIngestWorker, FromIngestWorkerReply, ToIngestWorker } from "./messages.ts";

export type IngestWorkerParts = {
  readonly newDecoder: NewBatchDecoder;
  readonly segments: SegmentWriter;
  readonly newSeed: () => number;
  readonly nowMs: () => number;
  readonly send: (message: FromIngestWorker) => void;
  /** Given all spans once, when they are in a segment; then they are others'. Never rejects. */
  readonly derive?: ((head: FrozenHead) => Promise<void>) | undefined;
};

/**
 * The ingest worker without its thread: decodes records into the heads and cuts these into L0
 * segments. Records are taken while a cut is being written; they belong to the next one.
 */
export class IngestWorker {
  readonly #parts: IngestWorkerParts;
  readonly #heads: Heads;
  readonly #buckets = new Map<string, TokenBucket>();
  #maxBuckets = MIN_BUCKETS;
  #cut: Promise<void> = Promise.resolve();

  constructor(parts: IngestWorkerParts) {
    this.#parts = parts;
    this.#heads = new Heads(parts.newDecoder, parts.newSeed);
  }

  receive(message: ToIngestWorker): void {
    switch (message.type) {
      case "record":
        this.#send(this.#decode(message));
        freeBuffer(message.body);
        return;
      case "cut": {
        // Frozen now, so that later records are not in it; written after the cut before.
        this.#heads.freeze(message.walRange);
        this.#cut = this.#cut.then(() => this.#finish(message.id, message.walRange.to));
        return;
      }
      default:
        message satisfies never;
    }
  }

  #send(reply: FromIngestWorkerReply): void {
    this.#parts.send({ ...reply, heldBytes: this.#heads.heldBytes });
  }

  #decode(record: Extract<ToIngestWorker, { type: "record" }>): FromIngestWorkerReply {
    const decoder = this.#heads.decoderFor(record.tenant, record.maxAttributeBytes);
    let protobufBytes = 0;
    let body: Uint8Array | undefined;
    try {
      body = decompressBody(new Uint8Array(record.body), record.encoding, record.maxDecodedBytes);
      const before = { ...decoder.truncated };
      const admit = (bytes: number): void => {
        protobufBytes = bytes;
        this.#admit(record, bytes);
      };
      const spanCount = decoder.decode(record.format, body, admit, record.receivedUnixMs);
      this.#heads.added(record.tenant, protobufBytes, spanCount, record.derive);
      const truncated = difference(decoder.truncated, before);
      return { type: "decoded", id: record.id, spanCount, protobufBytes, truncated };
    } catch (e) {
      const { kind, message, reason } = refusalOf(e);
      const spanCount = body === undefined ? 0 : countSpans(decoder, record.format, body);
      return { type: "refused", id: record.id, kind, message, reason, spanCount, protobufBytes };
    }
  }

  #admit(record: Extract<ToIngestWorker, { type: "record" }>, bytes: number): void {
    const { tenant, rate } = record;
    if (rate === undefined) return;
    const nowMs = this.#parts.nowMs();
    let bucket = this.#buckets.get(tenant);
    if (bucket === undefined) {
      bucket = new TokenBucket(rate.bytesPerSecond, rate.burstBytes, nowMs);
      this.#buckets.set(tenant, bucket);
      if (this.#buckets.size > this.#maxBuckets) this.#forgetFullBuckets(nowMs);
    } else {
      bucket.configure(rate.bytesPerSecond, rate.burstBytes, nowMs);
    }
    if (bucket.take(bytes, nowMs)) return;
    throw new PintailError(
      "limited",
      bytes > rate.burstBytes
        ? `RATE_LIMITED: batch size (${bytes} bytes) exceeds ingestion limit (local: ${rate.bytesPerSecond} bytes/s, burst: ${rate.burstBytes} bytes) of tenant ${tenant}`
        : `RATE_LIMITED: ingestion rate limit (local: ${rate.bytesPerSecond} bytes/s, burst: ${rate.burstBytes} bytes) exceeded while adding ${bytes} bytes for tenant ${tenant}`,
    );
  }

  /** A full bucket is as good as none. Tenants are the senders' choice, and may be many. */
  #forgetFullBuckets(nowMs: number): void {
    for (const [tenant, bucket] of this.#buckets) {
      if (bucket.isFull(nowMs)) this.#buckets.delete(tenant);
    }
    // Not at every new tenant: that many may be busy.
    this.#maxBuckets = Math.max(MIN_BUCKETS, 2 * this.#buckets.size);
  }

  /** Resolves when the cuts that were asked for by now are done with. */
  idle(): Promise<void> {
    return this.#cut;
  }

  /** What is derived comes after the answer: a query may wait for that. */
  async #finish(id: number, before: Lsn): Promise<void> {
    for (const head of await this.#write(id, before)) {
      await this.#parts.derive?.(head);
      this.#heads.release(head);
    }
  }

  /** Answers; returns what is in segments now. */
  async #write(id: number, before: Lsn): Promise<readonly FrozenHead[]> {
    const metas: SegmentMeta[] = [];
    try {
      // The heads of a cut that failed before are in here again.
      const heads = this.#heads.frozenBefore(before);
      for (const { batch, tenant, walRange } of heads) {
        const options = { tenant, level: 0, walRange, replaces: [] };
        metas.push(await this.#parts.segments.write(batch, options));
        reached("cut:half-written");
      }
      this.#heads.written(heads);
      this.#send({ type: "cut", id, metas });
      return heads;
    } catch (e) {
      await this.#parts.segments.remove(metas).catch(() => {});
      const { kind, retryAfterMs } = isPintailError(e)
        ? e
        : { kind: "internal" as const, retryAfterMs: undefined };
      const neededBytes = roomFor(metas, e);
      this.#send({ type: "failed", id, kind, message: messageOf(e), retryAfterMs, neededBytes });
      return [];
    }
  }
}

/** File systems give room in blocks, commonly of this size. */
const BLOCK_BYTES = 4096;

/** What the disk needs for the segments `before` and for the one that it did not take. */
function roomFor(before: readonly SegmentMeta[], e: unknown): number | undefined {
  if (!(e instanceof SegmentWriteError)) return undefined;
  return [...before, e].reduce(
    (sum, { byteSize }) => sum + Math.ceil(byteSize / BLOCK_BYTES) * BLOCK_BYTES,
    0,
  );
}

/** Buckets of this many tenants are kept without a look at them. */
const MIN_BUCKETS = 1000;

/** What made decoding fail may fail here as well, and a number for the metrics is not worth more. */
function countSpans(decoder: BatchDecoder, format: number, body: Uint8Array): number {
  try {
    return decoder.countSpans(format, body);
  } catch {
    return 0;
  }
}

function refusalOf(e: unknown): { kind: PintailError["kind"]; message: string; reason: string } {
  if (e instanceof DecodeError) {
    switch (e.failure) {
      case "trace_id":
        return { kind: "invalid", message: e.message, reason: "invalid_trace_id" };
      case "span_id":
        return { kind: "invalid", message: e.message, reason: "invalid_span_id" };
      case "syntax":
      case "limit":
        return { kind: "malformed", message: e.message, reason: "unknown_error" };
      default:
        return e.failure satisfies never;
    }
  }
  if (isPintailError(e)) {
    const reason = e.kind === "limited" ? "rate_limited" : "unknown_error";
    return { kind: e.kind, message: e.message, reason };
  }
  return { kind: "internal", message: messageOf(e), reason: "unknown_error" };
}

function difference(
  now: Readonly<TruncatedAttributes>,
  before: Readonly<TruncatedAttributes>,
): TruncatedAttributes | undefined {
  const d = {
    resource: now.resource - before.resource,
    scope: now.scope - before.scope,
    span: now.span - before.span,
    event: now.event - before.event,
    link: now.link - before.link,
  };
  return d.resource + d.scope + d.span + d.event + d.link === 0 ? undefined : d;
}

function messageOf(e: unknown): string {
  return e instanceof Error ? (e.stack ?? e.message) : String(e);
}
