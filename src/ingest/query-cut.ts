import { isPintailError, PintailError } from "../errors.ts";
import { type Logger, rateLimited } from "../telemetry/logger.ts";
import type { Cutter } from "./cutter.ts";

export type QueryCutParts = {
  readonly cutter: Pick<Cutter, "cutNow" | "pendingBytes">;
  readonly log: Logger;
  readonly monotonicMs: () => number;
};

/** While the disk is full each query would say so. */
const WARNING_INTERVAL_MS = 10_000;

/** The cut before a query: what it cannot make findable, the query goes without, which is counted. */
export class QueryCut {
  readonly #parts: QueryCutParts;
  readonly #warn: Logger["warn"];
  #incomplete = 0;

  constructor(parts: QueryCutParts) {
    this.#parts = parts;
    this.#warn = rateLimited(parts.log.warn, WARNING_INTERVAL_MS, parts.monotonicMs);
  }

  /** Queries that went without spans acknowledged before them. */
  get incomplete(): number {
    return this.#incomplete;
  }

  /** Makes what was acknowledged before the call findable; a full disk only delays it. */
  async cut(signal: AbortSignal): Promise<void> {
    const { cutter } = this.#parts;
    try {
      await cutter.cutNow(signal);
    } catch (e) {
      if (signal.aborted) throw new PintailError("canceled", "query canceled", { cause: e });
      if (!isPintailError(e)) throw e;
      this.#incomplete++;
      const pendingBytes = cutter.pendingBytes();
      this.#warn("query goes without the newest spans", { pendingBytes, error: e });
    }
  }
}
