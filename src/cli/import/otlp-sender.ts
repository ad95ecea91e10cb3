import { setTimeout as sleep } from "node:timers/promises";
import { PROTOBUF_TYPE } from "../../receivers/otlp/responses.ts";
import { reasonOf, rejectedSpans } from "./otlp-answer.ts";
import type { ImportRequest } from "./requests.ts";
import { spanCount } from "./span-count.ts";
import { splitRequest } from "./split-request.ts";

export type SenderSettings = {
  /** Of the door, with its path. */
  readonly url: string;
  readonly tenant: string | undefined;
  readonly signal: AbortSignal;
  /** Between attempts, without the server's own wish: the first, doubled each time up to `maxWaitMs`. */
  readonly firstWaitMs: number;
  readonly maxWaitMs: number;
  readonly maxAttempts: number;
};

export const DEFAULT_RETRIES = { firstWaitMs: 250, maxWaitMs: 30_000, maxAttempts: 12 } as const;

/** The server did not take a request, and will not take it another time. */
export class RefusedError extends Error {}
/** Nothing can be sent there: the import ends. */
export class UnreachableError extends Error {}

/** A server that hangs is asked again. */
const REQUEST_TIMEOUT_MS = 60_000;
/** Longest wait that a server may wish for. */
const MAX_RETRY_AFTER_MS = 300_000;
const RETRIED = new Set([429, 502, 503, 504]);
/** The address or the tenant is wrong, whatever is sent. */
const HOPELESS = new Set([401, 403, 404, 405, 415]);

/**
 * Sends a request to an OTLP/HTTP door, again as long as it is told to come back, in smaller pieces
 * when it is too large. Resolves with the spans that were taken. Throws `RefusedError`, and
 * `UnreachableError` when no attempt was answered or the address is wrong.
 */
export async function sendRequest(
  request: ImportRequest,
  settings: SenderSettings,
): Promise<{ spanCount: number }> {
  const { signal, maxAttempts } = settings;
  let reason = "";
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const answer = await post(request, settings).catch((cause: unknown) => {
      if (signal.aborted) throw cause;
      reason = causeText(cause);
      return undefined;
    });
    if (answer?.ok) return { spanCount: request.spanCount - (await rejectedSpans(answer)) };
    if (answer?.status === 413) {
      await answer.body?.cancel();
      return await sendSmaller(request, settings);
    }
    if (answer !== undefined && !RETRIED.has(answer.status)) {
      const text = `${answer.status} ${await reasonOf(answer)}`;
      if (HOPELESS.has(answer.status)) throw new UnreachableError(`the server answers ${text}`);
      throw new RefusedError(`the server refused ${request.spanCount} spans: ${text}`);
    }
    if (answer !== undefined) reason = `${answer.status} ${await reasonOf(answer)}`;
    if (attempt === maxAttempts) {
      if (answer === undefined) break;
      throw new RefusedError(`gave up after ${attempt} attempts: ${reason}`);
    }
    await sleep(waitMs(answer, attempt, settings), undefined, { signal });
  }
  throw new UnreachableError(`no server answers at ${settings.url} (${reason})`);
}

function post({ body }: ImportRequest, { url, tenant, signal }: SenderSettings): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": PROTOBUF_TYPE,
      ...(tenant === undefined ? {} : { "x-scope-orgid": tenant }),
    },
    body,
    signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
  });
}

async function sendSmaller(
  request: ImportRequest,
  settings: SenderSettings,
): Promise<{ spanCount: number }> {
  if (request.spanCount <= 1) {
    throw new RefusedError(`a span of ${request.body.length} bytes is too large for the server`);
  }
  let sent = 0;
  for (const body of splitRequest(request.body, Math.ceil(request.body.length / 2))) {
    const piece = { body, spanCount: spanCount(body) };
    // What all spans share may be most of it.
    if (piece.spanCount === request.spanCount) {
      throw new RefusedError(
        `${piece.spanCount} spans of one resource are too large for the server`,
      );
    }
    sent += (await sendRequest(piece, settings)).spanCount;
  }
  return { spanCount: sent };
}

function waitMs(answer: Response | undefined, attempt: number, settings: SenderSettings): number {
  const wish = retryAfterMs(answer?.headers.get("retry-after") ?? null);
  const backoff = Math.min(settings.maxWaitMs, settings.firstWaitMs * 2 ** (attempt - 1));
  // Several requests wait at once, and should not come back at once.
  const jittered = backoff * (0.5 + Math.random() / 2);
  return wish === undefined ? jittered : Math.min(MAX_RETRY_AFTER_MS, Math.max(wish, jittered));
}

/** Seconds or a date. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function causeText(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error ? cause.cause.message : cause.message;
}
