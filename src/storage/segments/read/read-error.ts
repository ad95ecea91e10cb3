import { type ErrorKind, PintailError } from "../../../errors.ts";

/** The bytes contradict themselves. */
export function corrupt(what: string, cause?: unknown): PintailError {
  return new PintailError("corrupt", `damaged segment: ${what}`, { cause });
}

/** A segment is damaged or gone, and which: `corrupt` or `not_found`. */
export class DamagedSegmentError extends PintailError {
  readonly segmentId: string;

  constructor(kind: ErrorKind, segmentId: string, message: string, cause?: unknown) {
    super(kind, message, { cause });
    this.segmentId = segmentId;
  }
}

/** Valid Parquet maybe, but not what our writer makes: another reader may know it. */
export function unsupported(what: string): PintailError {
  return new PintailError("unsupported", `segment reader: ${what}`);
}
