import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
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

/**
 * Collects once and gives free memory back to the system: after the start, when compiling has left
 * some 20 MB of garbage that an idle server would keep. Takes about 20 ms.
 */
export function collectGarbage(): void {
  if (platform !== "node") return;
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  setFlagsFromString("--no-expose-gc");
  if (typeof collect === "function") collect({ type: "major", execution: "sync" });
}
