import { type FailureReason, RequestFailure, retryAfterMs } from "../request-failure.ts";
import { type HttpResponse, readText } from "./http-request.ts";

/** What an answer other than a success means; reads its body. */
export async function gcsFailure(response: HttpResponse): Promise<RequestFailure> {
  const { status, headers } = response;
  // A body that breaks off does not change what the status said.
  const text = await readText(response).catch(() => "");
  return new RequestFailure(reasonOf(status, text), `${messageOf(text)} (status ${status})`, {
    retryAfterMs: retryAfterMs(headers["retry-after"]),
  });
}

function reasonOf(status: number, text: string): FailureReason {
  switch (status) {
    case 400:
      // The checksum that was sent is not that of the bytes that came.
      return /md5|crc32c|checksum/i.test(text) ? "broken" : "invalid";
    case 401:
      return "expired";
    case 403:
      return /rateLimitExceeded|userRateLimitExceeded/.test(text) ? "throttled" : "denied";
    case 410:
      // An upload's session that is over.
      return "missing";
    case 404:
      return /bucket does not exist/i.test(text) ? "denied" : "missing";
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
    default:
      return status >= 500 ? "server_error" : "invalid";
  }
}

function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    if (typeof error?.message === "string") return error.message.slice(0, 300);
  } catch {
    // Not JSON: as it is.
  }
  return text.slice(0, 300);
}
