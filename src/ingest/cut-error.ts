import { type ErrorKind, PintailError } from "../errors.ts";

/** The worker could not write a cut's segments; it still has their spans. */
export class CutError extends PintailError {
  /** The disk did not take the segments, which need at least so much room. */
  readonly neededBytes: number | undefined;

  constructor(
    kind: ErrorKind,
    message: string,
    options: {
      readonly retryAfterMs?: number | undefined;
      readonly neededBytes?: number | undefined;
    } = {},
  ) {
    const { retryAfterMs, neededBytes } = options;
    super(kind, message, retryAfterMs === undefined ? {} : { retryAfterMs });
    this.neededBytes = neededBytes;
  }
}
