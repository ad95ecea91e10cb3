import type { SpanBatch } from "./span-batch.ts";

/**
 * Appends bodies to one `SpanBatch`. `decode` takes the decompressed body of one request and returns
 * how many spans it added; it throws a `DecodeError`, or whatever `admit` throws, and the batch is
 * then as before.
 */
export interface BatchDecoder {
  /**
   * `admit` is called once, with the size as OTLP protobuf; when it throws, nothing is added.
   * `receivedUnixMs` stands for times that a body leaves out: the same at every decoding of it.
   */
  decode(
    format: number,
    body: Uint8Array,
    admit?: (protobufBytes: number) => void,
    receivedUnixMs?: number,
  ): number;
  /** Spans in a body that was refused, for the metrics; 0 when it cannot be told. */
  countSpans(format: number, body: Uint8Array): number;
  /** Keys and values cut to `maxAttributeBytes` so far, by what the attribute belongs to. */
  readonly truncated: Readonly<TruncatedAttributes>;
}

export type TruncatedAttributes = {
  resource: number;
  scope: number;
  span: number;
  event: number;
  link: number;
};

export type BatchDecoderOptions = {
  /** Attribute keys and string values beyond this are cut; 0 = off. */
  readonly maxAttributeBytes: number;
};

/** Made by the composition root, which knows all receivers' decoders. */
export type NewBatchDecoder = (batch: SpanBatch, options: BatchDecoderOptions) => BatchDecoder;
