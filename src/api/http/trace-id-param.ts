import { PintailError } from "../../errors.ts";
import { traceIdFromHex } from "../../query/trace-id.ts";

/** Hex digits in any case, at most 32; shorter ids have lost their leading zeros. */
export function parseTraceId(text: string): Uint8Array {
  const chars = [...text.slice(0, 1000)];
  const bad = chars.findIndex((char) => !/^[0-9a-fA-F]$/.test(char));
  if (bad >= 0) {
    throw new PintailError(
      "invalid",
      `trace IDs can only contain hex characters: invalid character '${chars[bad]}' at position ${bad + 1}`,
    );
  }
  if (text.length > 32)
    throw new PintailError("invalid", "trace IDs can't be larger than 128 bits");
  return traceIdFromHex(text.toLowerCase().padStart(32, "0"));
}
