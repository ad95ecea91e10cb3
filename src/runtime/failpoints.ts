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
  "merge:written": "A merged segment is a file, the catalog has its inputs.",
  "merge:committed": "The catalog has the merged segment, the files of its inputs are there.",
  "upload:opened": "The next call puts a segment into the bucket.",
  "upload:put": "The bucket has the segment, the catalog does not know.",
  "upload:committed": "The catalog knows that the bucket has it, the cache does not.",
  "deletion:file-gone": "The local file of what left the catalog is gone, the object is there.",
  "deletion:object-gone": "File and object of one segment are gone, the catalog would delete them.",
  "deletion:all-gone": "A round of deletions is through, the catalog would do it again.",
  "deletion:forgotten": "The catalog knows that what left it is deleted.",
  "retention:dropped": "What expired left the catalog, its files and objects are there.",
  "extraction:written": "What a retention class keeps is a file, the catalog has what expired.",
  "extraction:committed": "The catalog has what the class keeps, the old files are there.",
  "catalog:redactions-saved": "A redaction is in the file for rebuilds, not in the catalog.",
  "catalog:written": "A transaction is durable, memory has the state before.",
  "redaction:kept": "The bucket has a redaction, the catalog does not know it.",
  "redaction:hiding": "A redaction is in force; nobody was told.",
  "rewrite:written": "A segment without redacted spans is a file, the catalog has the old one.",
  "rewrite:committed": "The catalog has the segment without redacted spans, the old file is there.",
  "redaction:done": "A redaction is over; its traces are not known any more.",
  "rebuild:half-written": "A catalog that is being rebuilt has segments but no version.",
  "sweep:found": "The next call deletes an object that the catalog does not want.",
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
