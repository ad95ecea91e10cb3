import { PintailError } from "../../errors.ts";
import type { ByteRange } from "./object-store.ts";

/** Of one `getRanges` call. */
const MAX_RANGES = 4096;

/** Throws `invalid` for no ranges, too many, or one that is empty or not of whole numbers. */
export function checkRanges(ranges: readonly ByteRange[]): void {
  if (ranges.length === 0 || ranges.length > MAX_RANGES) {
    throw new PintailError("invalid", `${ranges.length} ranges, must be 1 to ${MAX_RANGES}`);
  }
  for (const { start, end } of ranges) {
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end) {
      throw new PintailError("invalid", `bad byte range ${start}-${end}`);
    }
  }
}
