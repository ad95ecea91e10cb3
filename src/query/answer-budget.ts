import { PintailError } from "../errors.ts";

/**
 * Of a search's answer as estimated: as JSON, where each spanset stands twice and each character may
 * take six, it then still fits in one string of any runtime.
 */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** Ends a search whose answer grows too large, before memory does. */
export class AnswerBudget {
  #left = MAX_ANSWER_BYTES;

  /** Throws `invalid`, since asking for less is up to the client. */
  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left >= 0) return;
    throw new PintailError(
      "invalid",
      `the answer exceeds ${MAX_ANSWER_BYTES} bytes, ask for fewer traces (limit) or spans (spss)`,
    );
  }
}
