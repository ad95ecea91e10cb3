import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { platform } from "./platform.ts";

/** The first V8 that knows the flag below. */
const MIN_V8_MAJOR = 13;

/**
 * Lets the memory of buffers count towards the heap's own limit, which grows with need. Otherwise
 * V8 collects the whole heap for each few dozen megabytes of buffers, dead or not, and request
 * bodies and column data are nearly all that Pintail allocates. For all threads; call it first.
 */
export function relaxBufferAccounting(): void {
  if (platform !== "node") return;
  const major = Number.parseInt(process.versions.v8 ?? "", 10);
  if (major >= MIN_V8_MAJOR) setFlagsFromString("--external-memory-accounted-in-global-limit");
}
