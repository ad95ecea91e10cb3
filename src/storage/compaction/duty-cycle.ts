/**
 * Work is followed by a pause so long that it takes at most `share` of one core on average: a job's
 * time from begin to end is taken for its CPU time, since its thread and its database take turns.
 * On a machine that is busy otherwise it thus takes less.
 */
export class DutyCycle {
  readonly #share: number;
  readonly #maxPauseMs: number;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(share: number, maxPauseMs: number) {
    this.#share = share;
    this.#maxPauseMs = maxPauseMs;
  }

  isPaused(nowMs: number): boolean {
    return nowMs < this.#pausedUntilMs;
  }

  /** A job that took `tookMs` has ended. */
  worked(tookMs: number, nowMs: number): void {
    const pauseMs = Math.min(this.#maxPauseMs, Math.max(0, tookMs) * (1 / this.#share - 1));
    this.#pausedUntilMs = nowMs + pauseMs;
  }
}
