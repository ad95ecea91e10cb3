import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { FAILPOINTS, type Failpoint } from "../../src/runtime/failpoints.ts";
import { CrashLedger } from "../support/crash-ledger.ts";
import { eventually, metric } from "../support/e2e-answers.ts";
import { inBucket } from "../support/e2e-bucket.ts";
import { PintailProcess, type StartOptions } from "../support/pintail-process.ts";
import { type S3Fake, startS3Fake } from "../support/s3-fake.ts";
import { filesOf, orphansOf, segmentIds } from "../support/stored-files.ts";

type Case = {
  /** The point is reached this often before the process dies there. */
  readonly times?: number;
  /** The process is armed at its second start. */
  readonly isArmedLater?: boolean;
  readonly hasBucket?: boolean;
};

/** How each point is reached: a point without a line here is an error of types. */
const CASES: Readonly<Record<Failpoint, Case>> = {
  "wal:written": { times: 4 },
  "wal:synced": { times: 4 },
  // The first such file of a thread: L0.
  "file:unnamed": { isArmedLater: true },
  "cut:half-written": { times: 2 },
  "cut:written": { times: 2 },
  "cut:committed": { times: 2 },
  "l1:half-written": {},
  "l1:written": {},
  "l1:committed": {},
  "l1:released": { times: 2 },
};

const YAML = `multitenancy_enabled: true
ingester: { max_block_duration: 1s }
compactor: { compaction: { compacted_block_retention: 1s } }
`;
const HASTY = resolve(import.meta.dirname, "../support/hasty-clock.ts");
const BASE_MS = Date.now();
const UNTIL_KILLED_MS = 30_000;
/** More processes at a time would only wait for each other. */
const PARALLEL = 2;

let running = 0;
const waiting: (() => void)[] = [];

/** Runs `work` when fewer than `PARALLEL` others run. */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running === PARALLEL) await new Promise<void>((done) => waiting.push(done));
  else running++;
  try {
    return await work();
  } finally {
    // The next one takes the place.
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

/** A data folder, its bucket, and the processes that work on them one after the other. */
class Rig implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "pintail-crash-"));
  readonly ledger: CrashLedger;
  readonly #fake: S3Fake | undefined;
  #pintail: PintailProcess | undefined;

  static async open(hasBucket: boolean, seed: string): Promise<Rig> {
    return new Rig(hasBucket ? await startS3Fake() : undefined, seed);
  }

  private constructor(fake: S3Fake | undefined, seed: string) {
    this.#fake = fake;
    this.ledger = new CrashLedger(seed);
  }

  async start(failpoint = ""): Promise<PintailProcess> {
    const bucket = this.#fake && inBucket(this.#fake);
    const options: StartOptions = {
      dir: this.dir,
      extraYaml: bucket === undefined ? YAML : `${YAML}${bucket.extraYaml!.replace(/^.*\n/, "")}`,
      ...(bucket && { backend: bucket.backend! }),
      runtime: [process.execPath, "--import", HASTY],
      env: { PINTAIL_TEST_CLOCK_BASE_MS: String(BASE_MS), PINTAIL_FAILPOINT: failpoint },
    };
    this.#pintail = await PintailProcess.start(options);
    return this.#pintail;
  }

  /** Pushes until the process was killed at its failpoint. */
  async untilKilled(pintail: PintailProcess): Promise<void> {
    const deadline = Date.now() + UNTIL_KILLED_MS;
    while (pintail.alive && Date.now() < deadline) {
      await this.round(pintail);
      await new Promise((done) => setTimeout(done, 100));
    }
    if (pintail.alive) throw new Error(`the point was not reached:\n${pintail.output}`);
    expect(pintail.endedBy, pintail.output).toBe("SIGKILL");
  }

  /** A trace of each tenant; a query has them cut. */
  async round(pintail: PintailProcess): Promise<void> {
    for (const tenant of ["one", "two"]) await this.ledger.push(pintail, { tenant });
    await pintail.json("/api/search", { "x-scope-orgid": "one" }).catch(() => {});
  }

  /** Resolves when nothing is left to be done. */
  async untilSettled(pintail: PintailProcess): Promise<void> {
    await eventually(
      "everything has settled",
      async () => ({
        l0: await metric(pintail, "pintail_segments", 'level="0"'),
        waiting: await metric(pintail, "pintail_bucket_backlog_segments"),
        segments: await metric(pintail, "pintail_segments"),
        files: segmentIds(filesOf(join(this.dir, "blocks"))).length,
        objects: this.#fake && segmentIds(this.#keys()).length,
      }),
      ({ l0, waiting, segments, files, objects }) =>
        l0 === 0 && waiting === 0 && (objects ?? files) === segments && files <= segments,
    );
  }

  orphans(): Promise<string[]> {
    return orphansOf(this.dir, this.#fake && this.#keys());
  }

  #keys(): string[] {
    return [...(this.#fake?.objects.keys() ?? [])];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pintail?.kill();
    await this.#fake?.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

async function crashAt(point: Failpoint, one: Case): Promise<void> {
  const seed = Object.keys(FAILPOINTS).indexOf(point).toString(16).padStart(2, "0");
  await using rig = await Rig.open(one.hasBucket === true, seed);
  const failpoint = `${point}:${one.times ?? 1}`;
  if (one.isArmedLater === true) {
    const before = await rig.start();
    await rig.round(before);
    await before.kill();
  }
  await rig.untilKilled(await rig.start(failpoint));
  const pintail = await rig.start();
  expect(rig.ledger.acknowledged).toBeGreaterThan(0);
  expect(await rig.ledger.wrongIn(pintail)).toEqual([]);
  await rig.untilSettled(pintail);
  expect(await rig.ledger.wrongIn(pintail, { hasSettled: true })).toEqual([]);
  expect(await pintail.stop(), pintail.output).toBe(0);
  expect(await rig.orphans()).toEqual([]);
}

describe("killed at a step and started again, nothing acknowledged is lost, doubled or altered", () => {
  for (const [point, what] of Object.entries(FAILPOINTS) as [Failpoint, string][]) {
    test.concurrent(`${point}: ${what}`, { timeout: 600_000 }, () =>
      inTurn(() => crashAt(point, CASES[point])),
    );
  }
});
