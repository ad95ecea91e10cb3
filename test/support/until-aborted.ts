import { PintailError } from "../../src/errors.ts";

/** A step that hangs: it ends with its signal alone, as Pintail's own do. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new PintailError("canceled", "query canceled"));
    if (signal.aborted) end();
    signal.addEventListener("abort", end, { once: true });
  });
}
