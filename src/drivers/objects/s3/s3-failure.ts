import {
  connectionFailure,
  type FailureReason,
  RequestFailure,
  retryAfterMs,
} from "../request-failure.ts";

/** By the code of S3's answer, where the status alone does not say it. */
const REASONS: Readonly<Record<string, FailureReason>> = {
  SlowDown: "throttled",
  Throttling: "throttled",
  ThrottlingException: "throttled",
  TooManyRequests: "throttled",
  TooManyRequestsException: "throttled",
  RequestLimitExceeded: "throttled",
  InternalError: "server_error",
  RequestTimeout: "timeout",
  BadDigest: "broken",
  IncompleteBody: "broken",
  InvalidDigest: "broken",
  XAmzContentSHA256Mismatch: "broken",
  ExpiredToken: "expired",
  ExpiredTokenException: "expired",
  TokenRefreshRequired: "expired",
  RequestExpired: "expired",
  RequestTimeTooSkewed: "expired",
  ConditionalRequestConflict: "busy",
  OperationAborted: "busy",
  NoSuchBucket: "denied",
  CredentialsProviderError: "denied",
  NotImplemented: "unsupported",
  InvalidRange: "changed",
};

/** How stores that do not know a condition's header say so, beside 501. */
const CONDITION_REFUSED: ReadonlySet<string> = new Set(["InvalidArgument", "InvalidRequest"]);

type ServiceError = {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
};

/** What an error of the client means; errors that are not of a request pass. */
export function s3Failure(e: unknown, conditional = false): unknown {
  if (e instanceof RequestFailure) return e;
  const { name, message, $metadata, $response } = e as ServiceError;
  const code = typeof name === "string" ? name : "";
  const status = Number($metadata?.httpStatusCode);
  const known = Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
  const refused = conditional && status === 400 && CONDITION_REFUSED.has(code);
  const reason = refused ? "unsupported" : (known ?? statusReason(status));
  if (reason === undefined) return connectionFailure(e) ?? e;
  const text = String(message).slice(0, 300);
  const answer = Number.isInteger(status) ? ` (status ${status})` : "";
  return new RequestFailure(reason, `${code}: ${text}${answer}`, {
    cause: e,
    retryAfterMs: retryAfterMs($response?.headers?.["retry-after"]),
  });
}

function statusReason(status: number): FailureReason | undefined {
  if (!Number.isInteger(status)) return undefined;
  switch (status) {
    case 401:
    case 403:
      return "denied";
    case 404:
      return "missing";
    case 408:
      return "timeout";
    case 409:
      return "busy";
    case 412:
      return "precondition";
    case 416:
      return "changed";
    case 429:
      return "throttled";
    case 501:
      return "unsupported";
    default:
      if (status >= 500) return "server_error";
      // A good status whose body cannot be read.
      return status < 300 ? "broken" : "invalid";
  }
}
