import { PintailError } from "../../../errors.ts";

/** The bytes contradict themselves. */
export function corrupt(what: string, cause?: unknown): PintailError {
  return new PintailError("corrupt", `damaged segment: ${what}`, { cause });
}

/** Valid Parquet maybe, but not what our writer makes: another reader may know it. */
export function unsupported(what: string): PintailError {
  return new PintailError("unsupported", `segment reader: ${what}`);
}
