import type { GrpcStatus } from "./status.ts";

/** How a message is compressed; `snappy` is the framed format. */
export type GrpcEncoding = "identity" | "gzip" | "zstd" | "snappy";

/** Request headers. Names are lower case; a repeated header has several values. */
export interface GrpcMetadata {
  get(name: string): string | undefined;
  getAll(name: string): readonly string[];
}

export type GrpcCall = {
  readonly metadata: GrpcMetadata;
  /** Aborts when the client cancels, goes away, or its deadline passes. */
  readonly signal: AbortSignal;
  /** Of this message, which is handed over as it came. */
  readonly encoding: GrpcEncoding;
  readonly remoteAddress: string;
  /**
   * Sends one message of a server-streaming method. Resolves when the transport takes more; rejects
   * with the signal's reason when nobody listens any longer.
   */
  readonly send: (message: Uint8Array) => Promise<void>;
};

/**
 * A method with one raw, undecoded request message. A unary one returns its response; a streaming
 * one sends with `call.send` and returns nothing. What it throws goes through `toStatus`.
 */
export type GrpcMethod = {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly maxMessageBytes: number;
  handle(message: Uint8Array, call: GrpcCall): Promise<Uint8Array | undefined>;
};

/**
 * A handler in the shape of Connect's universal handlers, which fit without an adapter: it parses
 * and writes the frames itself and names its trailers.
 */
export interface UniversalHandler {
  (request: UniversalRequest): Promise<UniversalResponse>;
  readonly requestPath: string;
}

export type UniversalRequest = {
  httpVersion: string;
  url: string;
  method: string;
  header: Headers;
  body: AsyncIterable<Uint8Array>;
  signal: AbortSignal;
};

export type UniversalResponse = {
  status: number;
  header?: Headers;
  body?: AsyncIterable<Uint8Array>;
  trailer?: Headers;
};

export type GrpcService = {
  readonly methods?: readonly GrpcMethod[];
  readonly universal?: readonly UniversalHandler[];
  /** Maps what a raw method threw. */
  readonly toStatus: (error: unknown) => GrpcStatus;
  /** Told about each call when it is over. */
  readonly observe?: (path: string, code: number, durationMs: number) => void;
};
