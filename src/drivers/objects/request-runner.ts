import { sleep } from "../../util/sleep.ts";
import {
  connectionFailure,
  type FailureReason,
  isFailure,
  RequestFailure,
  toPintailError,
} from "./request-failure.ts";
import { RequestLimiter } from "./request-limiter.ts";
import type { RetrySettings } from "./settings.ts";
import type { ObjectOperation, ObjectStoreParts } from "./store-parts.ts";

/** A link slower than this is not worth waiting for. */
const BYTES_PER_TIMEOUT_SECOND = 256 * 1024;
/** Answers that are rarely a passing fault are asked again, until they came this often. */
const MAX_DOUBTS = 3;
/** A store's own wish is followed up to here; longer ones go to the caller. */
const MAX_WISHED_WAIT_MS = 10_000;

export type RequestSize = { readonly sentBytes?: number; readonly expectedBytes?: number };

export type RetryOptions = {
  /** `write s3://bucket/key`: what cannot be done when it fails. */
  readonly what: string;
  readonly signal: AbortSignal;
  /** Also tries again, a few times, after these. */
  readonly doubtful?: readonly FailureReason[];
};

/**
 * Bounds, times, observes and repeats requests to one store. `closed` gives up all of them.
 */
export class RequestRunner {
  readonly #parts: ObjectStoreParts;
  readonly #retry: RetrySettings;
  readonly #limiter: RequestLimiter;
  readonly #closed: AbortSignal;

  constructor(
    parts: ObjectStoreParts,
    closed: AbortSignal,
    settings: { readonly retry: RetrySettings; readonly maxRequests: number },
  ) {
    this.#parts = parts;
    this.#closed = closed;
    this.#retry = settings.retry;
    this.#limiter = new RequestLimiter(settings.maxRequests);
  }

  /**
   * One request. `send` rejects with a `RequestFailure`, or with an error of a connection; its
   * result says how many bytes came.
   */
  request<T>(
    operation: ObjectOperation,
    signal: AbortSignal,
    size: RequestSize,
    send: (signal: AbortSignal) => Promise<T>,
    receivedBytes: (result: T) => number = () => 0,
  ): Promise<T> {
    return this.#limiter.run(signal, async () => {
      const from = this.#parts.clock.monotonicMs();
      const observe = (outcome: FailureReason | "ok" | "error", received: number) =>
        this.#parts.onRequest({
          operation,
          outcome,
          durationMs: this.#parts.clock.monotonicMs() - from,
          sentBytes: size.sentBytes ?? 0,
          receivedBytes: received,
        });
      try {
        const moved = (size.sentBytes ?? 0) + (size.expectedBytes ?? 0);
        const result = await this.#timed(signal, moved, send);
        observe("ok", receivedBytes(result));
        return result;
      } catch (e) {
        const failure = connectionFailure(e);
        observe(failure?.reason ?? "error", 0);
        throw failure ?? e;
      }
    });
  }

  /** Repeats `attempt` while that can help. Rejects with a `PintailError`, or what is no failure. */
  async retry<T>(
    options: RetryOptions,
    attempt: (previous: RequestFailure | undefined) => Promise<T>,
  ): Promise<T> {
    const from = this.#parts.clock.monotonicMs();
    let previous: RequestFailure | undefined;
    let doubts = 0;
    for (let tries = 1; ; tries++) {
      try {
        return await attempt(previous);
      } catch (e) {
        if (!(e instanceof RequestFailure)) throw e;
        const doubtful = options.doubtful?.includes(e.reason) === true && ++doubts < MAX_DOUBTS;
        const wait = this.#waitMs(tries, e);
        const elapsed = this.#parts.clock.monotonicMs() - from;
        const again =
          (e.retryable || doubtful) &&
          tries < this.#retry.maxAttempts &&
          wait <= MAX_WISHED_WAIT_MS &&
          elapsed + wait < this.#retry.deadlineMs;
        if (!again) throw toPintailError(options.what, e);
        previous = e;
        await this.#wait(wait, options.signal);
        if (options.signal.aborted || this.#closed.aborted) {
          throw toPintailError(options.what, new RequestFailure("canceled", "canceled"));
        }
      }
    }
  }

  /** Half of the doubling wait is sure, half is jitter. */
  #waitMs(tries: number, failure: RequestFailure): number {
    const { backoffInitialMs, backoffMaxMs } = this.#retry;
    const full = Math.min(backoffMaxMs, backoffInitialMs * 2 ** Math.min(tries - 1, 20));
    return Math.max((full * (1 + this.#parts.random())) / 2, failure.retryAfterMs ?? 0);
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const either = new AbortController();
    const stop = () => either.abort();
    const unlink = linkAbort([signal, this.#closed], stop);
    try {
      await sleep(ms, either.signal);
    } finally {
      unlink();
    }
  }

  /** Settles when time is up or the caller is gone, even if `send` does not look at its signal. */
  #timed<T>(
    signal: AbortSignal,
    bytes: number,
    send: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const ms = this.#retry.attemptTimeoutMs + (bytes / BYTES_PER_TIMEOUT_SECOND) * 1000;
    return new Promise((resolve, reject) => {
      const controller = new AbortController();
      let over = false;
      const end = (settle: () => void) => {
        if (over) return;
        over = true;
        clearTimeout(timer);
        unlink();
        settle();
      };
      const giveUp = (failure: RequestFailure) => {
        end(() => reject(failure));
        controller.abort(failure);
      };
      const timer = setTimeout(
        () => giveUp(new RequestFailure("timeout", `no answer in ${Math.round(ms)} ms`)),
        ms,
      );
      const unlink = linkAbort([signal, this.#closed], () =>
        giveUp(new RequestFailure("canceled", "canceled")),
      );
      if (over) return;
      send(controller.signal).then(
        (result) => end(() => resolve(result)),
        (e) => end(() => reject(e)),
      );
    });
  }
}

/** Runs `onAbort` once when any is aborted, at once if one is; the result takes the listeners off. */
function linkAbort(signals: readonly AbortSignal[], onAbort: () => void): () => void {
  const unlink = () => {
    for (const signal of signals) signal.removeEventListener("abort", once);
  };
  const once = () => {
    unlink();
    onAbort();
  };
  if (signals.some((signal) => signal.aborted)) {
    onAbort();
    return () => {};
  }
  for (const signal of signals) signal.addEventListener("abort", once);
  return unlink;
}

/** The failure's own result when it is of `reason`, else it is thrown on. */
export async function unlessFailed<T, U>(
  reason: FailureReason,
  run: () => Promise<T>,
  otherwise: () => U | Promise<U>,
): Promise<T | U> {
  try {
    return await run();
  } catch (e) {
    if (isFailure(e, reason)) return otherwise();
    throw e;
  }
}
