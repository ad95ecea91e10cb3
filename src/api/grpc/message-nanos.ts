import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { PintailError } from "../../errors.ts";

const SECOND_NANOS = 1_000_000_000;
/** Nanoseconds must fit in an int64. */
const MAX_SECONDS = 2n ** 63n / BigInt(SECOND_NANOS);

/**
 * Nanoseconds of an instant since 1970 or of a duration, undefined when absent. Throws `invalid`,
 * naming the field, for one that is negative, too large or not in its normal form.
 */
export function nanosOf(
  name: string,
  time: Pick<Timestamp | Duration, "seconds" | "nanos"> | undefined,
): bigint | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  if (seconds < 0n || seconds >= MAX_SECONDS || nanos < 0 || nanos >= SECOND_NANOS) {
    throw new PintailError("invalid", `${name} is out of range: ${seconds} s and ${nanos} ns`);
  }
  return seconds * BigInt(SECOND_NANOS) + BigInt(nanos);
}
