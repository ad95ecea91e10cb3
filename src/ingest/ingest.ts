import { type ErrorKind, PintailError } from "../errors.ts";

/** How a body is laid out: decides the decoder. Stored in the WAL, so numbers never change. */
export const BodyFormat = {
  otlpProtobuf: 1,
  otlpJson: 2,
  zipkinV2Json: 16,
  zipkinV2Protobuf: 17,
  zipkinV1Json: 18,
  zipkinV1Thrift: 19,
  // The same, received where `parse_string_tags` was on: decoding again must give the same spans.
  zipkinV2JsonTyped: 20,
  zipkinV2ProtobufTyped: 21,
  zipkinV1JsonTyped: 22,
  /** A `jaeger.api_v2.PostSpansRequest`. */
  jaegerProtobuf: 3,
  /** A bare Thrift `Batch` in the binary protocol, as over HTTP. */
  jaegerThrift: 4,
  /** A datagram for a Jaeger agent: an `emitBatch` message in the binary protocol. */
  jaegerAgentBinary: 5,
  /** The same in the compact protocol. */
  jaegerAgentCompact: 6,
  /** One `jaeger.api_v2.Span`, as in a Kafka record. */
  jaegerSpanProtobuf: 7,
  /** The JSON form of that. */
  jaegerSpanJson: 8,
} as const;
export type BodyFormat = (typeof BodyFormat)[keyof typeof BodyFormat];

/** How a body is compressed. Stored in the WAL, so numbers never change. */
export const BodyEncoding = {
  identity: 0,
  gzip: 1,
  zstd: 2,
  /** zlib wrapper (RFC 1950): HTTP `deflate` and `zlib`. */
  zlib: 3,
  /** Raw block format. */
  snappy: 4,
  /** Framed format. */
  snappyFramed: 5,
  /** Frame format. */
  lz4: 6,
} as const;
export type BodyEncoding = (typeof BodyEncoding)[keyof typeof BodyEncoding];

export type PushRequest = {
  readonly tenant: string;
  readonly format: BodyFormat;
  readonly encoding: BodyEncoding;
  /** As received. The callee takes it over: its buffer may be gone when the promise settles. */
  readonly body: Uint8Array;
  /** Bound on the decompressed size; beyond it the push fails with `too_large`. */
  readonly maxDecodedBytes: number;
  /** No metrics are to be made of these spans. */
  readonly skipMetrics?: boolean | undefined;
};

export type PushResult = {
  readonly spanCount: number;
  /** Size of the request as OTLP protobuf, as rate limits count it. */
  readonly decodedBytes: number;
};

/** The request was refused for what it holds or for a limit; nothing of it was kept. */
export class RefusedError extends PintailError {
  /** A label of `tempo_discarded_spans_total`. */
  readonly reason: string;
  readonly spanCount: number;
  readonly protobufBytes: number;
  /** Whether it is larger than the limit ever lets in at once, so that trying again is no use. */
  readonly neverFits: boolean;

  constructor(
    kind: ErrorKind,
    message: string,
    refused: {
      readonly reason: string;
      readonly spanCount: number;
      readonly protobufBytes: number;
      readonly neverFits?: boolean;
    },
    retryAfterMs?: number,
  ) {
    // A bug of ours: its words and its stack are for the log, not for the sender.
    const internal = kind === "internal";
    super(kind, internal ? "internal error" : message, {
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(internal ? { cause: new Error(message) } : {}),
    });
    this.reason = refused.reason;
    this.spanCount = refused.spanCount;
    this.protobufBytes = refused.protobufBytes;
    this.neverFits = refused.neverFits ?? false;
  }
}

/**
 * The way in for every receiver. Resolves when the spans are decoded and durable, never before.
 * Rejects with a `RefusedError` of kind `malformed` (the body cannot be decompressed or decoded),
 * `invalid` (an id is bad), `too_large` or `limited` (rate), or with `unavailable` (disk full, busy,
 * stopping; with `retryAfterMs`).
 */
export interface Ingest {
  push(request: PushRequest): Promise<PushResult>;
}
