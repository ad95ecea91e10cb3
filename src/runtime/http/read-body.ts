import type { Readable } from "node:stream";
import { PintailError } from "../../errors.ts";
import { freeArrays } from "../../util/free-buffer.ts";
import type { ByteBudget } from "../byte-budget.ts";
import { concatBytes } from "../concat-bytes.ts";

/** Bytes taken from a budget on behalf of one request. */
export class BudgetShare {
  readonly #budget: ByteBudget | undefined;
  #taken = 0;

  constructor(budget: ByteBudget | undefined) {
    this.#budget = budget;
  }

  /** Throws `unavailable` when all requests together hold too much. */
  take(bytes: number): void {
    if (this.#budget === undefined) return;
    if (!this.#budget.tryTake(bytes)) {
      throw new PintailError(
        "unavailable",
        `requests in flight hold more than ${this.#budget.capacityBytes} bytes`,
        { retryAfterMs: 1000 },
      );
    }
    this.#taken += bytes;
  }

  release(): void {
    this.#budget?.give(this.#taken);
    this.#taken = 0;
  }
}

/**
 * Reads `source` to its end. Throws `too_large` as soon as it exceeds `maxBytes` (it is left
 * paused then), `unavailable` when the budget is spent, `canceled` when the peer goes away.
 */
export function readBody(
  source: Readable,
  maxBytes: number,
  share: BudgetShare,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const settle = (finish: () => void) => {
      source.off("data", onData);
      source.off("end", onEnd);
      source.off("close", onGone);
      source.off("error", onGone);
      finish();
    };
    const onData = (chunk: Uint8Array) => {
      length += chunk.byteLength;
      try {
        if (length > maxBytes) {
          throw new PintailError("too_large", `request body exceeds ${maxBytes} bytes`);
        }
        share.take(chunk.byteLength);
        chunks.push(chunk);
      } catch (error) {
        source.pause();
        settle(() => reject(error));
      }
    };
    const onEnd = () =>
      settle(() => {
        const body = concatBytes(chunks, length);
        // Nobody else listens, so the chunks are ours.
        if (chunks.length > 1) for (const chunk of chunks) freeArrays(chunk);
        resolve(body);
      });
    const onGone = (cause?: unknown) =>
      settle(() => reject(new PintailError("canceled", "the client went away", { cause })));
    if (source.destroyed && !source.readableEnded) return onGone();
    source.on("data", onData);
    source.on("end", onEnd);
    source.on("close", onGone);
    source.on("error", onGone);
  });
}
