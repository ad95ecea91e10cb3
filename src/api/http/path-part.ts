import { PintailError } from "../../errors.ts";

/** A part of a path as sent, decoded once. Throws `invalid`. */
export function decodedPathPart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new PintailError("invalid", "the path holds a malformed escape", { cause });
  }
}
