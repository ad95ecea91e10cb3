import { PintailError } from "../../errors.ts";
import type { QueryOptions } from "./database.ts";

/** Why a query has to stop, as soon as it has to. */
export class Deadline {
  readonly #signal: AbortSignal | undefined;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onAbort = () => this.#expire(canceled(this.#signal?.reason));
  #reason: PintailError | undefined;
  #listeners = new Set<() => void>();

  constructor({ signal, timeoutMs }: QueryOptions) {
    this.#signal = signal;
    if (signal?.aborted === true) this.#reason = canceled(signal.reason);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.#expire(new PintailError("timeout", `query exceeded ${timeoutMs} ms`));
      }, timeoutMs);
    }
  }

  get reason(): PintailError | undefined {
    return this.#reason;
  }

  throwIfExpired(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Ends the query from within, e.g. because the database closes. */
  expire(reason: PintailError): void {
    this.#expire(reason);
  }

  /** Calls back once on expiry, at once when it has been; returns what takes that back. */
  onExpired(listener: () => void): () => void {
    if (this.#reason !== undefined) listener();
    else this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#listeners.clear();
  }

  #expire(reason: PintailError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}

function canceled(cause: unknown): PintailError {
  return new PintailError("canceled", "query was canceled", { cause });
}
