import { type ErrorKind, isPintailError, PintailError } from "../../errors.ts";

/** Why one try of one request failed; also the label of its metric. */
export type FailureReason =
  | "throttled" // the store asks for fewer requests
  | "server_error" // 5xx
  | "timeout"
  | "connection" // refused, reset, cut
  | "broken" // an answer that is not what was asked: short, wrong range, wrong checksum
  | "busy" // somebody else writes the same key right now
  | "expired" // credentials or clock, which the next try may have renewed
  | "changed" // another version than the caller's
  | "missing"
  | "precondition" // the condition did not hold
  | "unsupported" // the store does not know what was asked
  | "too_large"
  | "denied"
  | "invalid"
  | "canceled";

const RETRYABLE: ReadonlySet<FailureReason> = new Set([
  "throttled",
  "server_error",
  "timeout",
  "connection",
  "broken",
  "busy",
  "expired",
]);

/** After these the request may have been carried out all the same. */
const MAYBE_DONE: ReadonlySet<FailureReason> = new Set([
  "server_error",
  "timeout",
  "connection",
  "broken",
]);

const KINDS: Readonly<Partial<Record<FailureReason, ErrorKind>>> = {
  changed: "corrupt",
  missing: "not_found",
  unsupported: "unsupported",
  too_large: "too_large",
  denied: "unavailable",
  canceled: "canceled",
};

/** A caller waits this long before it tries what was already tried many times. */
const RETRY_AFTER_MS = 5000;
/** Credentials and buckets come back when somebody repairs them. */
const RETRY_DENIED_AFTER_MS = 30_000;

export type FailureOptions = {
  readonly cause?: unknown;
  /** The store's own wish. */
  readonly retryAfterMs?: number | undefined;
};

/** Inside the drivers only; `toPintailError` makes the caller's. */
export class RequestFailure extends Error {
  readonly reason: FailureReason;
  readonly retryAfterMs: number | undefined;

  constructor(reason: FailureReason, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RequestFailure";
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs;
  }

  get retryable(): boolean {
    return RETRYABLE.has(this.reason);
  }

  get maybeDone(): boolean {
    return MAYBE_DONE.has(this.reason);
  }
}

export function isFailure(e: unknown, reason: FailureReason): e is RequestFailure {
  return e instanceof RequestFailure && e.reason === reason;
}

/** `cannot <what>: <why>`. */
export function toPintailError(what: string, e: unknown): unknown {
  if (!(e instanceof RequestFailure)) return e;
  const kind = e.retryable ? "unavailable" : (KINDS[e.reason] ?? "internal");
  const wait = e.reason === "denied" ? RETRY_DENIED_AFTER_MS : RETRY_AFTER_MS;
  return new PintailError(kind, `cannot ${what}: ${e.message}`, {
    cause: e,
    ...(kind === "unavailable" ? { retryAfterMs: Math.max(wait, e.retryAfterMs ?? 0) } : {}),
  });
}

const CONNECTION_CODES =
  /^(ECONN|EPIPE|ENOTFOUND|EAI_|EHOST|ENET|EADDR|UND_ERR|ERR_STREAM|ERR_HTTP|ERR_SSL|ERR_TLS|EPROTO|HPE_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/;

/** Of errors without a code, as runtimes word them. */
const CONNECTION_MESSAGES =
  /aborted|socket hang up|terminated|socket connection was closed|premature|connection/i;

/** What went wrong below HTTP, if that is what it was. */
export function connectionFailure(e: unknown): RequestFailure | undefined {
  if (e instanceof RequestFailure) return e;
  if (isPintailError(e)) return undefined;
  const { code, name, message } = e as { code?: unknown; name?: unknown; message?: unknown };
  const text = typeof code === "string" ? code : "";
  const why = text || String(message);
  // The code goes first: the AWS client calls a reset connection a time-out.
  if (CONNECTION_CODES.test(text)) {
    return new RequestFailure("connection", `connection failed: ${why}`, { cause: e });
  }
  if (/^E(SOCKET)?TIMEDOUT$/.test(text) || name === "TimeoutError") {
    return new RequestFailure("timeout", `no answer in time: ${why}`, { cause: e });
  }
  if (!CONNECTION_MESSAGES.test(why)) return undefined;
  return new RequestFailure("connection", `connection failed: ${why}`, { cause: e });
}

/** From a Retry-After header in seconds; bounded, since it comes from outside. */
export function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = Number(header);
  if (header === undefined || !Number.isFinite(seconds) || seconds < 0) return undefined;
  return Math.min(seconds, 300) * 1000;
}
