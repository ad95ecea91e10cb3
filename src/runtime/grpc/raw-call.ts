import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { gzipSync } from "node:zlib";
import { PintailError } from "../../errors.ts";
import type { ByteBudget } from "../byte-budget.ts";
import { drained, LazyAbort } from "../http/fetch-bridge.ts";
import { BudgetShare } from "../http/read-body.ts";
import { type Frame, FrameReader, frameOf } from "./frames.ts";
import type { GrpcCall, GrpcEncoding, GrpcMetadata, GrpcMethod } from "./service.ts";
import { GRPC_OK, GrpcCode, type GrpcStatus, trailersOf } from "./status.ts";

export const ACCEPT_ENCODING = "identity,gzip,zstd,snappy";
const ENCODINGS: ReadonlySet<string> = new Set(ACCEPT_ENCODING.split(","));
/** gzip makes smaller messages larger. */
const MIN_COMPRESSED_BYTES = 256;
/** A peer that is still sending when it is answered gets this long to notice. */
const LINGER_MS = 100;

export type RawCallOptions = {
  readonly toStatus: (error: unknown) => GrpcStatus;
  readonly deadlineMs: number | undefined;
  /** For the request message to arrive; 0 = for ever. */
  readonly readTimeoutMs: number;
  readonly budget: ByteBudget | undefined;
  readonly ended: (status: GrpcStatus) => void;
};

/**
 * Serves one call of `method`: collects the one request message without looking into it, runs the
 * handler, and ends the stream with trailers. Calls `ended` exactly once.
 */
export function serveRawCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  method: GrpcMethod,
  options: RawCallOptions,
): void {
  new RawCall(stream, headers, method, options).start();
}

class RawCall {
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #method: GrpcMethod;
  readonly #options: RawCallOptions;
  readonly #encoding: GrpcEncoding;
  readonly #gone = new LazyAbort();
  readonly #share: BudgetShare;
  #request: Frame | undefined;
  #readTimer: ReturnType<typeof setTimeout> | undefined;
  #deadlineTimer: ReturnType<typeof setTimeout> | undefined;
  #over = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    method: GrpcMethod,
    options: RawCallOptions,
  ) {
    this.#stream = stream;
    this.#headers = headers;
    this.#method = method;
    this.#options = options;
    this.#share = new BudgetShare(options.budget);
    this.#encoding = (headers["grpc-encoding"] as GrpcEncoding | undefined) ?? "identity";
  }

  start(): void {
    const { deadlineMs, readTimeoutMs } = this.#options;
    this.#stream.once("close", () => this.#closed());
    if (!ENCODINGS.has(this.#encoding)) {
      this.#fail(GrpcCode.unimplemented, `unsupported grpc-encoding '${this.#encoding}'`);
      return;
    }
    if (deadlineMs !== undefined) {
      this.#deadlineTimer = setTimeout(() => {
        this.#fail(GrpcCode.deadlineExceeded, "the call's deadline has passed");
      }, deadlineMs);
    }
    if (readTimeoutMs > 0) {
      this.#readTimer = setTimeout(() => {
        this.#fail(GrpcCode.cancelled, `the request did not arrive within ${readTimeoutMs} ms`);
      }, readTimeoutMs);
    }
    const reader = new FrameReader(
      this.#method.maxMessageBytes,
      (frame) => this.#onFrame(frame),
      (fault, bytes) =>
        fault === "too_large"
          ? this.#fail(
              GrpcCode.resourceExhausted,
              `received message larger than max (${bytes} vs. ${this.#method.maxMessageBytes})`,
            )
          : this.#fail(GrpcCode.internal, "a message's flags are neither 0 nor 1"),
    );
    this.#stream.on("data", (chunk: Uint8Array) => {
      if (this.#over) return;
      try {
        this.#share.take(chunk.byteLength);
      } catch (error) {
        this.#finish(this.#options.toStatus(error));
        return;
      }
      reader.push(chunk);
    });
    this.#stream.once("end", () => {
      clearTimeout(this.#readTimer);
      if (this.#over) return;
      if (!reader.atBoundary || this.#request === undefined) {
        this.#fail(GrpcCode.internal, "the request ended before its message was complete");
      } else {
        void this.#run(this.#request);
      }
    });
  }

  #onFrame(frame: Frame): void {
    if (this.#request !== undefined) {
      this.#fail(GrpcCode.internal, "a second message on a call that takes one");
    } else if (frame.compressed && this.#encoding === "identity") {
      this.#fail(GrpcCode.internal, "a compressed message without grpc-encoding");
    } else {
      this.#request = frame;
    }
  }

  async #run(frame: Frame): Promise<void> {
    const gone = this.#gone;
    const call: GrpcCall = {
      metadata: metadataOf(this.#headers),
      get signal() {
        return gone.signal;
      },
      encoding: frame.compressed ? this.#encoding : "identity",
      remoteAddress: this.#stream.session?.socket?.remoteAddress ?? "",
      send: (message) => this.#send(message),
    };
    try {
      const response = await this.#method.handle(frame.message, call);
      if (this.#over) return;
      if (response !== undefined) this.#write(response);
      this.#finish(GRPC_OK);
    } catch (error) {
      if (!this.#over) this.#finish(this.#options.toStatus(error));
    }
  }

  async #send(message: Uint8Array): Promise<void> {
    if (!this.#over && !this.#write(message)) await drained(this.#stream);
    if (this.#over) throw this.#gone.signal.reason;
  }

  #write(message: Uint8Array): boolean {
    if (!this.#stream.headersSent) {
      // From here on the end is in trailers.
      this.#stream.respond(this.#responseHeaders(), { waitForTrailers: true });
    }
    const compress = this.#encoding === "gzip" && message.byteLength >= MIN_COMPRESSED_BYTES;
    return this.#stream.write(frameOf(compress ? gzipSync(message) : message, compress));
  }

  #responseHeaders(): Record<string, string | number> {
    const headers: Record<string, string | number> = {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-accept-encoding": ACCEPT_ENCODING,
    };
    if (this.#encoding === "gzip") headers["grpc-encoding"] = "gzip";
    return headers;
  }

  #fail(code: GrpcCode, message: string): void {
    this.#finish({ code, message });
  }

  #finish(status: GrpcStatus): void {
    if (this.#over) return;
    this.#end(status);
    endWithTrailers(this.#stream, this.#responseHeaders(), status);
  }

  #closed(): void {
    if (!this.#over) this.#end({ code: GrpcCode.cancelled, message: "the client went away" });
  }

  #end(status: GrpcStatus): void {
    this.#over = true;
    clearTimeout(this.#readTimer);
    clearTimeout(this.#deadlineTimer);
    this.#share.release();
    if (status.code === GrpcCode.deadlineExceeded) {
      this.#gone.abort(new PintailError("timeout", status.message));
    } else if (status.code !== GrpcCode.ok) {
      this.#gone.abort(new PintailError("canceled", status.message));
    }
    this.#options.ended(status);
  }
}

/** Ends a response, as "trailers only" when nothing was sent yet. */
export function endWithTrailers(
  stream: ServerHttp2Stream,
  headers: Record<string, string | number>,
  status: GrpcStatus,
): void {
  if (stream.destroyed || stream.closed) return;
  const trailers = trailersOf(status);
  if (stream.headersSent) {
    stream.once("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end();
    return;
  }
  stream.respond({ ...headers, ...trailers }, { endStream: true });
  stopReading(stream);
}

/** Lets a peer that is still sending know, without failing the answer that it already has. */
function stopReading(stream: ServerHttp2Stream): void {
  if (stream.readableEnded) return;
  stream.resume();
  setTimeout(() => {
    if (!stream.closed && !stream.destroyed) stream.close(0);
  }, LINGER_MS).unref();
}

function metadataOf(headers: IncomingHttpHeaders): GrpcMetadata {
  const getAll = (name: string): readonly string[] => {
    const value = headers[name];
    if (value === undefined) return [];
    // HTTP/2 joins repeated headers; metadata values hold no ", " of their own in gRPC's ASCII form
    // unless they were repeated.
    return Array.isArray(value) ? value : value.split(", ");
  };
  return {
    get: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
    getAll,
  };
}
