import type { ErrorKind } from "../errors.ts";
import type { TruncatedAttributes } from "../model/batch-decoder.ts";
import type { SegmentMeta, WalRange } from "../schema/segment-meta.ts";
import type { BodyEncoding, BodyFormat } from "./ingest.ts";

/** What is derived from the spans of a record beside storing them. */
export type Derive = {
  /** Number of the settings of the metrics; 0 = none are asked for. */
  readonly metrics: number;
  /** The sender asks for none of these spans. */
  readonly skipMetrics: boolean;
};

export const DERIVE_NOTHING: Derive = { metrics: 0, skipMetrics: false };

/** From the main thread to the ingest worker; records come in LSN order and are durable. */
export type ToIngestWorker =
  | {
      readonly type: "record";
      readonly id: number;
      readonly tenant: string;
      readonly format: BodyFormat;
      readonly encoding: BodyEncoding;
      readonly maxDecodedBytes: number;
      readonly maxAttributeBytes: number;
      /** Undefined in a replay: what was acknowledged is not limited again. */
      readonly rate: { readonly bytesPerSecond: number; readonly burstBytes: number } | undefined;
      /** As the WAL has it. */
      readonly receivedUnixMs: number;
      readonly derive: Derive;
      readonly body: ArrayBuffer;
    }
  | { readonly type: "cut"; readonly id: number; readonly walRange: WalRange };

/** Every reply says how much memory the spans take that are in no segment yet. */
export type FromIngestWorker = FromIngestWorkerReply & { readonly heldBytes: number };

export type FromIngestWorkerReply =
  | {
      readonly type: "decoded";
      readonly id: number;
      readonly spanCount: number;
      readonly protobufBytes: number;
      /** Attribute keys and values that were cut; undefined when none were. */
      readonly truncated: TruncatedAttributes | undefined;
    }
  | {
      readonly type: "refused";
      readonly id: number;
      readonly kind: ErrorKind;
      readonly message: string;
      /** Label of `tempo_discarded_spans_total`. */
      readonly reason: string;
      readonly spanCount: number;
      readonly protobufBytes: number;
    }
  | { readonly type: "cut"; readonly id: number; readonly metas: readonly SegmentMeta[] }
  | {
      readonly type: "failed";
      readonly id: number;
      readonly kind: ErrorKind;
      readonly message: string;
      readonly retryAfterMs?: number | undefined;
      /** The segments did not fit on the disk: with less room than this they never do. */
      readonly neededBytes?: number | undefined;
    };
