import type { TruncatedAttributes } from "../model/batch-decoder.ts";

/** What the write path counts; `app.ts` backs it with Tempo's metric names. */
export interface IngestMetrics {
  /** A push was answered after `seconds`, whatever the answer. */
  pushed(seconds: number): void;
  accepted(
    tenant: string,
    spans: number,
    protobufBytes: number,
    truncated: TruncatedAttributes | undefined,
  ): void;
  /** `reason` is a label of `tempo_discarded_spans_total`. */
  refused(tenant: string, reason: string, spans: number, protobufBytes: number): void;
}
