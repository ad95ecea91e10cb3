/** How a body is laid out: decides the decoder. Stored in the WAL, so numbers never change. */
export const BodyFormat = {
  otlpProtobuf: 1,
  otlpJson: 2,
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
  /** As received. The callee may keep it; the caller must not change it afterwards. */
  readonly body: Uint8Array;
  /** Bound on the decompressed size; beyond it the push fails with `too_large`. */
  readonly maxDecodedBytes: number;
};

export type PushResult = {
  readonly spanCount: number;
  /** Size of the request as OTLP protobuf, as rate limits count it. */
  readonly decodedBytes: number;
};

/**
 * The way in for every receiver. Resolves when the spans are decoded and durable, never before.
 * Rejects with a `PintailError`: `invalid` (the body cannot be decompressed or decoded, or an id is
 * bad; nothing of the request was kept), `too_large`, `limited` (rate), `unavailable` (disk full,
 * stopping; with `retryAfterMs`).
 */
export interface Ingest {
  push(request: PushRequest): Promise<PushResult>;
}
