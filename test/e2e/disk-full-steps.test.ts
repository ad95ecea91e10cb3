import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { describe, expect, onTestFinished, test } from "vitest";
import { CrashLedger } from "../support/crash-ledger.ts";
import { eventually, metric } from "../support/e2e-answers.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import { seededRandom, testSeed } from "../support/random.ts";
import { filesOf, orphansOf, segmentIds } from "../support/stored-files.ts";

const DISK_BYTES = 24 * 1024 * 1024;
const ROUNDS = 12;
/** Nothing fits, a page of the catalog or a small segment does, almost all does. */
const MAX_LEFT_BYTES = 80_000;
const HASTY = resolve(import.meta.dirname, "../support/hasty-clock.ts");
const BASE_MS = Date.now();
const YAML = `multitenancy_enabled: true
ingester: { max_block_duration: 1s }
compactor: { compaction: { compacted_block_retention: 1s } }
`;

/** A small disk of its own; `undefined` when none can be mounted here. */
function mountDisk(): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), "pintail-e2e-disk-"));
  try {
    const options = ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", dir];
    execFileSync("mount", options, { stdio: "ignore" });
    return dir;
  } catch {
    rmSync(dir, { recursive: true });
    return undefined;
  }
}

const probe = mountDisk();
if (probe === undefined) console.log("skipped: no tmpfs can be mounted");
else unmount(probe);

function unmount(dir: string): void {
  execFileSync("umount", ["-l", dir]);
  rmSync(dir, { recursive: true, force: true });
}

/** Takes all but `leftBytes` of the disk. */
function fill(dir: string, filler: string, leftBytes: number): void {
  const { bavail, bsize } = statfsSync(dir);
  try {
    writeFileSync(filler, new Uint8Array(Math.max(0, bavail * bsize - leftBytes)));
  } catch {
    // Pintail wrote meanwhile: it is full all the same.
  }
}

const start = (dir: string): Promise<PintailProcess> =>
  PintailProcess.start({
    dir,
    extraYaml: YAML,
    runtime: [process.execPath, "--import", HASTY],
    env: { PINTAIL_TEST_CLOCK_BASE_MS: String(BASE_MS) },
  });

describe.skipIf(probe === undefined)("a disk that fills up at one step or another", () => {
  test.each(["goes on by itself", "is killed in the midst of it"])(
    "Pintail %s and has everything that was acknowledged once",
    { timeout: 240_000 },
    async (what) => {
      const seed = testSeed();
      console.log(`seed ${seed}`);
      const random = seededRandom(seed);
      const dir = mountDisk()!;
      const filler = join(dir, "filler");
      const ledger = new CrashLedger("ff");
      let pintail = await start(dir);
      onTestFinished(async () => {
        await pintail.kill();
        unmount(dir);
      });
      const round = async () => {
        for (const tenant of ["one", "two"]) await ledger.push(pintail, { tenant });
        await pintail.json("/api/search", { "x-scope-orgid": "one" }).catch(() => {});
      };
      for (let i = 0; i < ROUNDS; i++) {
        fill(dir, filler, Math.floor(random() ** 2 * MAX_LEFT_BYTES));
        for (let j = 0; j < 3; j++) await round();
        await new Promise((done) => setTimeout(done, 600 * random()));
        expect((await pintail.get("/ready")).status).toBe(200);
        if (what.includes("killed") && i % 4 === 3) {
          await pintail.kill();
          rmSync(filler, { force: true });
          pintail = await start(dir);
        }
        rmSync(filler, { force: true });
        await round();
      }
      const before = ledger.acknowledged;
      await eventually(
        "pushes succeed again",
        async () => {
          await round();
          return ledger.acknowledged;
        },
        (count) => count > before,
      );
      // Failed jobs are tried again after some seconds.
      await eventually(
        "everything has settled",
        async () => ({
          l0: await metric(pintail, "pintail_segments", 'level="0"'),
          segments: await metric(pintail, "pintail_segments"),
          files: segmentIds(filesOf(join(dir, "blocks"))).length,
        }),
        ({ l0, segments, files }) => l0 === 0 && segments === files,
        60_000,
      );
      expect(await ledger.wrongIn(pintail)).toEqual([]);
      expect(await pintail.stop(), pintail.output).toBe(0);
      expect(await orphansOf(dir, undefined)).toEqual([]);
    },
  );
});
