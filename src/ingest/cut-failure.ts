import { isPintailError } from "../errors.ts";
import { CutError } from "./cut-error.ts";

/** A cut that failed, and when the next try makes sense. */
export type CutFailure = {
  readonly error: unknown;
  /** From this time on it is tried whatever the disk says … */
  readonly retryAtMs: number;
  /** … and at once when so many bytes are free; `Infinity` when room is not what was missing. */
  readonly roomBytes: number;
  readonly backoffMs: number;
};

/** The wait after the first of several failures; it doubles with each. */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 1000;
/** When the segments did not fit. A file system may have more than it says, kept for root. */
const FULL_DISK_PAUSE_MS = 5000;
/** A try encodes all spans that wait: those in vain take a tenth of the time at most. */
const PAUSE_PER_TRY = 10;

/**
 * What a try that began at `startedMs` has taught. `freeBytes` is the room after it was cleared away.
 * `isCommit`: it was the catalog that failed, whose need nobody knows, just that this was not enough.
 */
export function cutFailure(
  error: unknown,
  before: CutFailure | undefined,
  attempt: {
    readonly startedMs: number;
    readonly nowMs: number;
    readonly freeBytes: number;
    readonly isCommit: boolean;
  },
): CutFailure {
  const { startedMs, nowMs, freeBytes, isCommit } = attempt;
  const backoffMs =
    before === undefined ? FIRST_BACKOFF_MS : Math.min(MAX_BACKOFF_MS, 2 * before.backoffMs);
  const neededBytes = isCommit ? freeBytes + 1 : neededFor(error);
  const lacksRoom = isPintailError(error, "unavailable") && freeBytes < neededBytes;
  const cutPauseMs = Math.max(
    lacksRoom ? FULL_DISK_PAUSE_MS : backoffMs,
    PAUSE_PER_TRY * (nowMs - startedMs),
  );
  return {
    error,
    // A commit alone encodes nothing.
    retryAtMs: nowMs + (isCommit ? backoffMs : cutPauseMs),
    roomBytes: lacksRoom ? neededBytes : Number.POSITIVE_INFINITY,
    backoffMs,
  };
}

function neededFor(error: unknown): number {
  return (error instanceof CutError ? error.neededBytes : undefined) ?? 0;
}
