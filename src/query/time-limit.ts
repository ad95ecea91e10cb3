import { Deadline } from "../drivers/duckdb/deadline.ts";

/**
 * The one deadline of a query whose steps are not all the database's: each is given the signal, so
 * what one took is not there for the next. Dispose of it when the query has ended.
 */
export class TimeLimit implements Disposable {
  readonly #deadline: Deadline;
  readonly #over = new AbortController();

  /** The time begins now. */
  constructor(signal: AbortSignal, timeoutMs: number) {
    this.#deadline = new Deadline({ signal, timeoutMs });
    this.#deadline.onExpired(() => this.#over.abort(this.#deadline.reason));
  }

  /** Aborted when the caller's is and when the time is over, with the `PintailError` that says which. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Throws `canceled` or `timeout`. */
  throwIfOver(): void {
    this.#deadline.throwIfExpired();
  }

  /** What `step` gives; when it fails because the query is over, it fails with the reason of that. */
  async within<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      this.throwIfOver();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#deadline.clear();
  }
}
