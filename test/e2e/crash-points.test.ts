import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { FAILPOINTS, type Failpoint } from "../../src/runtime/failpoints.ts";
import { CrashLedger, type TraceInit } from "../support/crash-ledger.ts";
import { eventually, metric } from "../support/e2e-answers.ts";
import { inBucket } from "../support/e2e-bucket.ts";
import { PintailProcess, type StartOptions } from "../support/pintail-process.ts";
import { type S3Fake, type S3FakeObject, startS3Fake } from "../support/s3-fake.ts";
import { filesOf, orphansOf, segmentIds } from "../support/stored-files.ts";

type Case = {
  /** The point is reached this often before the process dies there. */
  readonly times?: number;
  /** The process is armed at its second start, or dies during it: its catalog is gone. */
  readonly isArmed?: "at once" | "later" | "for a rebuild";
  readonly hasBucket?: boolean;
  readonly traffic?: "plain" | "expiring" | "redacted";
  /** Objects that were deleted come back, as those of a late upload do. */
  readonly comeBack?: boolean;
};

const BUCKET = { hasBucket: true } as const;
const EXPIRING = { traffic: "expiring" } as const;
const REDACTED = { traffic: "redacted" } as const;

/** How each point is reached: a point without a line here is an error of types. */
const CASES: Readonly<Record<Failpoint, Case>> = {
  "wal:written": { times: 4 },
  "wal:synced": { times: 4 },
  // The first such file of a thread: L0.
  "file:unnamed": { isArmed: "later" },
  "cut:half-written": { times: 2 },
  "cut:written": { times: 2 },
  "cut:committed": { times: 2 },
  "l1:half-written": {},
  "l1:written": {},
  "l1:committed": {},
  "l1:released": { times: 2 },
  "merge:written": {},
  "merge:committed": BUCKET,
  "upload:opened": BUCKET,
  "upload:put": BUCKET,
  "upload:committed": BUCKET,
  "deletion:file-gone": { ...BUCKET, ...EXPIRING },
  "deletion:object-gone": { ...BUCKET, ...EXPIRING },
  "deletion:all-gone": {},
  "deletion:forgotten": {},
  "retention:dropped": EXPIRING,
  "extraction:written": EXPIRING,
  "extraction:committed": { ...BUCKET, ...EXPIRING },
  "catalog:redactions-saved": REDACTED,
  "catalog:written": { times: 3 },
  "redaction:kept": { ...BUCKET, ...REDACTED },
  "redaction:hiding": REDACTED,
  "rewrite:written": REDACTED,
  "rewrite:committed": { ...BUCKET, ...REDACTED },
  "redaction:done": REDACTED,
  "rebuild:half-written": { isArmed: "for a rebuild" },
  "sweep:found": { ...BUCKET, comeBack: true },
};

const HOUR_MS = 3_600_000;
const YAML = `multitenancy_enabled: true
ingester: { max_block_duration: 1s }
compactor: { compaction: { compacted_block_retention: 1s, block_retention: 30h } }
pintail:
  storage: { upload_after: 1s }
  retention:
    classes: [{ name: errors, query: "{ status = error }", retention: 60h }]
`;
/** Of tenants all of whose spans are older than what is kept, and of one that has errors as well. */
const GONE_AGE_MS = 100 * HOUR_MS;
const OLD_AGE_MS = 40 * HOUR_MS;
const ROUNDS_BEFORE_REDACTION = 4;
const MAX_ROUNDS = 20;
/** Points at which a redaction is not in force yet. */
const BEFORE_REDACTION: readonly Failpoint[] = ["redaction:kept", "catalog:redactions-saved"];
/** Points after which the segments alone tell what there is. */
const WITHOUT_CATALOG: readonly Failpoint[] = [
  "cut:half-written",
  "l1:half-written",
  "l1:committed",
  "merge:committed",
  "extraction:written",
  "rewrite:written",
];
const HASTY = resolve(import.meta.dirname, "../support/hasty-clock.ts");
const BASE_MS = Date.now();
/** On a machine that has much else to do. */
const UNTIL_KILLED_MS = 60_000;
const SETTLE_MS = 60_000;
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
  readonly #case: Case;
  readonly #fake: S3Fake | undefined;
  #pintail: PintailProcess | undefined;
  #rounds = 0;
  #seen: ReadonlyMap<string, S3FakeObject> = new Map();

  static async open(one: Case, seed: string): Promise<Rig> {
    return new Rig(one, one.hasBucket === true ? await startS3Fake() : undefined, seed);
  }

  private constructor(one: Case, fake: S3Fake | undefined, seed: string) {
    this.#case = one;
    this.#fake = fake;
    this.ledger = new CrashLedger(seed);
  }

  async start(failpoint = ""): Promise<PintailProcess> {
    const options: StartOptions = {
      dir: this.dir,
      extraYaml: YAML,
      ...(this.#fake && { backend: inBucket(this.#fake).backend! }),
      runtime: [process.execPath, "--import", HASTY],
      env: { PINTAIL_TEST_CLOCK_BASE_MS: String(BASE_MS), PINTAIL_FAILPOINT: failpoint },
    };
    this.#pintail = await PintailProcess.start(options);
    return this.#pintail;
  }

  /** Dies during its start. */
  async startAndDie(failpoint: string): Promise<void> {
    await expect(this.start(failpoint)).rejects.toThrow("ended by SIGKILL");
  }

  /** Pushes until the process was killed at its failpoint. */
  async untilKilled(pintail: PintailProcess): Promise<void> {
    const deadline = Date.now() + UNTIL_KILLED_MS;
    while (pintail.alive && Date.now() < deadline) {
      if (this.#rounds < MAX_ROUNDS) await this.round(pintail);
      // At first so that there is much to do, then so that there is time for it, then none at all.
      await new Promise((done) => setTimeout(done, this.#rounds < 12 ? 100 : 700));
    }
    if (pintail.alive) throw new Error(`the point was not reached:\n${pintail.output}`);
    expect(pintail.endedBy, pintail.output).toBe("SIGKILL");
  }

  /** Some traces, all of which a query has cut. */
  async round(pintail: PintailProcess): Promise<void> {
    const { traffic = "plain", comeBack = false } = this.#case;
    for (const init of this.#traces(traffic)) await this.ledger.push(pintail, init);
    await pintail.json("/api/search", { "x-scope-orgid": "one" }).catch(() => {});
    if (comeBack) this.#bringBack();
    if (traffic === "redacted" && this.#rounds === ROUNDS_BEFORE_REDACTION) {
      await this.redact(pintail).catch(() => {});
    }
    this.#rounds++;
  }

  #traces(traffic: Case["traffic"]): TraceInit[] {
    const young = { tenant: "one" };
    switch (traffic) {
      case "expiring":
        return [
          young,
          { tenant: "gone", ageMs: GONE_AGE_MS, fate: "expires" },
          { tenant: "old", ageMs: OLD_AGE_MS, fate: "expires" },
          { tenant: "old", ageMs: OLD_AGE_MS, isError: true },
        ];
      case "redacted":
        return this.#rounds <= ROUNDS_BEFORE_REDACTION
          ? [young, { ...young, fate: "redacted" }]
          : [young];
      default:
        return [young, { tenant: "two" }];
    }
  }

  async redact(pintail: PintailProcess): Promise<void> {
    const body = JSON.stringify({ query: "{ span.secret = true }", dryRun: false });
    const response = await this.#redactions(pintail, { method: "POST", body });
    if (response.status !== 200) throw new Error(await response.text());
  }

  async #redactions(pintail: PintailProcess, init: RequestInit = {}): Promise<Response> {
    const path = filesOf(this.dir).find((name) => name.endsWith("admin-token"));
    const token = readFileSync(join(this.dir, path!), "utf8").trim();
    const headers = { authorization: `Bearer ${token}`, "x-scope-orgid": "one" };
    return fetch(`${pintail.url}/api/redactions`, { ...init, headers });
  }

  /** How many redactions are still under way. */
  async hiding(pintail: PintailProcess): Promise<number> {
    const answer = await (await this.#redactions(pintail)).json();
    const { redactions } = answer as { redactions: { state: string }[] };
    return redactions.filter(({ state }) => state !== "done").length;
  }

  #bringBack(): void {
    const objects = this.#fake!.objects;
    for (const [key, object] of this.#seen) if (!objects.has(key)) objects.set(key, object);
    this.#seen = new Map(objects);
  }

  /** Takes the catalog away, not what lies beside it. */
  loseCatalog(): void {
    for (const name of filesOf(this.dir)) {
      if (name.includes("catalog.duckdb")) rmSync(join(this.dir, name));
    }
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
        hiding: this.#case.traffic === "redacted" ? await this.hiding(pintail) : 0,
      }),
      ({ l0, waiting, segments, files, objects, hiding }) =>
        l0 + waiting + hiding === 0 && (objects ?? files) === segments && files <= segments,
      SETTLE_MS,
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

/** `losesCatalog`: it is gone when the next process starts. */
async function crashAt(point: Failpoint, losesCatalog = false): Promise<void> {
  const one = CASES[point];
  const seed = Object.keys(FAILPOINTS).indexOf(point).toString(16).padStart(2, "0");
  await using rig = await Rig.open(one, seed);
  const { ledger } = rig;
  const failpoint = `${point}:${one.times ?? 1}`;
  const { isArmed = "at once", traffic } = one;
  if (isArmed !== "at once") {
    const before = await rig.start();
    for (let i = 0; i < 3; i++) await rig.round(before);
    await before.kill();
  }
  if (isArmed === "for a rebuild") {
    rig.loseCatalog();
    await rig.startAndDie(failpoint);
  } else {
    await rig.untilKilled(await rig.start(failpoint));
  }

  if (losesCatalog) rig.loseCatalog();
  const pintail = await rig.start();
  expect(ledger.acknowledged).toBeGreaterThan(0);
  const isRedacted = traffic === "redacted" && !BEFORE_REDACTION.includes(point);
  expect(await ledger.wrongIn(pintail, { isRedacted })).toEqual([]);
  if (traffic === "redacted" && !isRedacted) await rig.redact(pintail);

  await rig.untilSettled(pintail);
  await eventually(
    "what has to be there alone is there",
    () => ledger.wrongIn(pintail, { hasSettled: true, isRedacted: traffic === "redacted" }),
    (wrong) => wrong.length === 0,
  );
  if (traffic !== undefined) await rig.untilSettled(pintail);
  expect(await pintail.stop(), pintail.output).toBe(0);
  expect(await rig.orphans()).toEqual([]);
}

describe("killed at a step and started again, nothing acknowledged is lost, doubled or altered", () => {
  for (const [point, what] of Object.entries(FAILPOINTS) as [Failpoint, string][]) {
    test.concurrent(`${point}: ${what}`, { timeout: 600_000 }, () => inTurn(() => crashAt(point)));
  }
});

describe("so it is when the catalog is lost as well", () => {
  for (const point of WITHOUT_CATALOG) {
    test.concurrent(point, { timeout: 600_000 }, () => inTurn(() => crashAt(point, true)));
  }
});
