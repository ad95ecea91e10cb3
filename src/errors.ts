/** What a caller can do about an error. `server/error-map.ts` alone knows the status codes. */
export type ErrorKind =
  | "invalid" // the request itself is wrong; the same request will fail again
  | "malformed" // the body does not decode (gRPC tells this from `invalid`)
  | "unauthenticated" // no tenant was named although one is required
  | "forbidden" // the caller may not do this
  | "not_found"
  | "unsupported" // understood, but not offered here
  | "limited" // over a rate or a queue bound; may be retried after `retryAfterMs`
  | "too_large" // the body or message exceeds a size bound
  | "trace_too_large"
  | "canceled" // the caller went away
  | "timeout"
  | "unavailable" // a resource is missing for now (disk full, starting, stopping)
  | "corrupt" // stored bytes do not check
  | "internal";

export type PintailErrorOptions = { cause?: unknown; retryAfterMs?: number };

/**
 * The one error class. Messages are lower case, without a final dot, and name the thing, the value
 * and the limit. A broken invariant is a plain `Error` instead.
 */
export class PintailError extends Error {
  readonly kind: ErrorKind;
  /** Set for `limited` and `unavailable`: when a retry makes sense. */
  readonly retryAfterMs: number | undefined;

  constructor(kind: ErrorKind, message: string, options: PintailErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PintailError";
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export function isPintailError(e: unknown, kind?: ErrorKind): e is PintailError {
  return e instanceof PintailError && (kind === undefined || e.kind === kind);
}
