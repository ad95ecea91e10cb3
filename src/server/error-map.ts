import { type ErrorKind, PintailError } from "../errors.ts";
import { GrpcCode } from "../runtime/grpc/status.ts";

/** What an error becomes on each side; `push` is for receivers whose protocol carries a Status. */
export type ErrorStatus = {
  readonly http: number;
  readonly rpc: GrpcCode;
  readonly push: { readonly http: number; readonly rpc: GrpcCode };
};

/** The only table that knows status codes. They are Tempo's where it has one. */
const STATUS: Readonly<Record<ErrorKind, ErrorStatus>> = {
  invalid: same(400, GrpcCode.invalidArgument),
  malformed: {
    http: 400,
    rpc: GrpcCode.internal,
    push: { http: 400, rpc: GrpcCode.internal },
  },
  // A sender may retry a push without tenant, as with Tempo; a query answers "unknown" there.
  unauthenticated: {
    http: 401,
    rpc: GrpcCode.unknown,
    push: { http: 503, rpc: GrpcCode.unavailable },
  },
  forbidden: same(403, GrpcCode.permissionDenied),
  not_found: same(404, GrpcCode.notFound),
  unsupported: same(404, GrpcCode.unimplemented),
  limited: same(429, GrpcCode.resourceExhausted),
  too_large: same(413, GrpcCode.resourceExhausted),
  trace_too_large: same(422, GrpcCode.failedPrecondition),
  canceled: {
    http: 499,
    rpc: GrpcCode.cancelled,
    push: { http: 503, rpc: GrpcCode.cancelled },
  },
  timeout: {
    http: 504,
    rpc: GrpcCode.deadlineExceeded,
    push: { http: 503, rpc: GrpcCode.deadlineExceeded },
  },
  // With its retry hint "resource exhausted" is retried by every sender, and says more of a full
  // disk than "unavailable" does.
  unavailable: {
    http: 503,
    rpc: GrpcCode.unavailable,
    push: { http: 503, rpc: GrpcCode.resourceExhausted },
  },
  // Whatever failed inside, the sender still has the spans and may try again.
  corrupt: {
    http: 500,
    rpc: GrpcCode.internal,
    push: { http: 503, rpc: GrpcCode.unavailable },
  },
  internal: {
    http: 500,
    rpc: GrpcCode.internal,
    push: { http: 503, rpc: GrpcCode.unavailable },
  },
};

/** `unavailable` without a hint: "resource exhausted" alone would tell senders to give up. */
const UNAVAILABLE_WITHOUT_HINT: ErrorStatus = {
  http: 503,
  rpc: GrpcCode.unavailable,
  push: { http: 503, rpc: GrpcCode.unavailable },
};

function same(http: number, rpc: GrpcCode): ErrorStatus {
  return { http, rpc, push: { http, rpc } };
}

export type MappedError = {
  readonly status: ErrorStatus;
  /** Safe to show: a broken invariant says only "internal error". */
  readonly message: string;
  readonly retryAfterMs: number | undefined;
  /** Whether the error is ours, so that somebody should read of it in the log. */
  readonly unexpected: boolean;
};

export function mapError(error: unknown): MappedError {
  if (error instanceof PintailError) {
    const withoutHint = error.kind === "unavailable" && !error.retryAfterMs;
    return {
      status: withoutHint ? UNAVAILABLE_WITHOUT_HINT : STATUS[error.kind],
      message: error.message,
      retryAfterMs: error.retryAfterMs,
      unexpected: error.kind === "internal" || error.kind === "corrupt",
    };
  }
  return {
    status: STATUS.internal,
    message: "internal error",
    retryAfterMs: undefined,
    unexpected: true,
  };
}
