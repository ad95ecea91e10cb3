import { PintailError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";

export type SpillGateParts = {
  readonly maxSpillBytes: number;
  /** Bytes on the local disk that the bucket does not have. */
  readonly waitingBytes: () => number;
  readonly log: Logger;
  readonly onRefused: () => void;
};

/** Opens again below this share of the bound, so that it does not flutter. */
const OPEN_AT = 0.9;
/** An upload takes seconds. */
const RETRY_AFTER_MS = 5000;

/** Refuses pushes while too much waits for the bucket, before the disk is full. */
export class SpillGate {
  readonly #parts: SpillGateParts;
  #closed = false;

  constructor(parts: SpillGateParts) {
    this.#parts = parts;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Looks at the backlog; called by the owner's timer, since a push has no time for it. */
  update(): void {
    const { maxSpillBytes, waitingBytes, log } = this.#parts;
    const bytes = waitingBytes();
    const closed = bytes > maxSpillBytes || (this.#closed && bytes > OPEN_AT * maxSpillBytes);
    if (closed === this.#closed) return;
    this.#closed = closed;
    if (closed) {
      log.error("too much waits for the bucket: pushes are refused", { bytes, maxSpillBytes });
    } else log.info("the bucket has caught up: pushes are taken again", { bytes, maxSpillBytes });
  }

  /** Why a push cannot be taken now: `unavailable`; undefined when it can. */
  refusal(): PintailError | undefined {
    if (!this.#closed) return undefined;
    this.#parts.onRefused();
    return new PintailError(
      "unavailable",
      `the bucket is behind: segments on the local disk exceed ${this.#parts.maxSpillBytes} bytes`,
      { retryAfterMs: RETRY_AFTER_MS },
    );
  }
}
