import process from "node:process";

/**
 * The steps at which a crash test can kill the process, and what is on the disk (or in the bucket)
 * there. `test/e2e/crash-points.test.ts` does so at each of them.
 */
export const FAILPOINTS = {
  "wal:written": "A group of records is in the file, not synced; none of it is acknowledged.",
  "wal:synced": "The group is durable, not acknowledged yet.",
  "file:unnamed": "A whole file is on the disk under its temporary name.",
  "cut:half-written": "One tenant's L0 segment of a cut is a file, the next ones are not.",
  "cut:written": "All L0 segments of a cut are files, the catalog knows none.",
  "cut:committed": "The catalog has the cut; nobody was told.",
  "l1:half-written": "One segment of an L1 job (or merge) is a file, the next ones are not.",
  "l1:written": "All segments of an L1 job are files, the catalog has the L0 ones.",
  "l1:committed": "The catalog has the L1 segments, the write-ahead log still their records.",
  "l1:released": "Files of the write-ahead log are gone, the replaced L0 files are there.",
} as const satisfies Record<string, string>;

export type Failpoint = keyof typeof FAILPOINTS;

/** `<name>` or `<name>:<n-th time>`; for tests only. */
const VARIABLE = "PINTAIL_FAILPOINT";

/**
 * A testing aid: kills the process (SIGKILL, as a crash does) when `point` is reached the n-th time
 * in a thread, if the environment named it at the start. Does nothing else and nothing otherwise.
 */
export const reached: (point: Failpoint) => void = armed(process.env[VARIABLE]);

function armed(value: string | undefined): (point: Failpoint) => void {
  if (value === undefined || value === "") return () => {};
  const { name, times } = parseFailpoint(value);
  let left = times;
  return (point) => {
    if (point !== name || --left > 0) return;
    process.kill(process.pid, "SIGKILL");
    // Other threads may run on until the kernel has ended them, this one must not.
    for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  };
}

/** Throws for a name that is none: a crash test that waits for it would prove nothing. */
export function parseFailpoint(value: string): { name: Failpoint; times: number } {
  const [, name = "", times = "1"] = /^([a-z0-9]+:[a-z-]+)(?::([1-9]\d{0,8}))?$/.exec(value) ?? [];
  if (!Object.hasOwn(FAILPOINTS, name)) {
    throw new Error(`${VARIABLE}: there is no failpoint ${JSON.stringify(value)}`);
  }
  return { name: name as Failpoint, times: Number(times) };
}
