import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { platform } from "./platform.ts";

/** The first V8 that knows the flags below. */
const MIN_V8_MAJOR = 13;
/** How much a heap may grow over what was alive in it before all of it is looked through again. */
const GROWING_PERCENT = 50;

/**
 * Makes full collections rare, for all threads; call it first. By itself V8 collects the whole heap
 * for each few dozen megabytes of buffers, dead or not, and request bodies and column data are nearly
 * all that Pintail allocates. So their memory counts towards the heap's own limit, which grows with
 * need, and that limit is not near to what is alive, as it is for a small heap by default. The
 * launcher's part is a small young generation (`bin/run.mjs`): dead buffers go with its cheap
 * collections, and these come often enough then.
 */
export function relaxCollector(): void {
  if (platform !== "node") return;
  const major = Number.parseInt(process.versions.v8 ?? "", 10);
  if (major < MIN_V8_MAJOR) return;
  setFlagsFromString("--external-memory-accounted-in-global-limit");
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
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
  if (typeof collect === "function")
    collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
