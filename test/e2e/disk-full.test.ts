import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, foundIds, spansOf } from "../support/e2e-answers.ts";
import { grpcClient } from "../support/e2e-grpc.ts";
import { aRequest, aSpan, attributes, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import { seededRandom, testSeed } from "../support/random.ts";

const DISK_BYTES = 24 * 1024 * 1024;

/** A small disk of its own, or why there is none. */
function mountDisk(): { dir: string } | { reason: string } {
  const dir = mkdtempSync(join(tmpdir(), "pintail-e2e-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", dir], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    return { dir };
  } catch (e) {
    rmSync(dir, { recursive: true });
    return { reason: e instanceof Error ? e.message : String(e) };
  }
}

const disk = mountDisk();
if ("reason" in disk) console.log(`skipped, no tmpfs can be mounted: ${disk.reason}`);

describe.skipIf("reason" in disk)("a full disk", () => {
  const dir = "dir" in disk ? disk.dir : "";
  const filler = join(dir, "filler");
  const seed = testSeed();
  const random = seededRandom(seed);
  const acknowledged: string[] = [];
  const refused: string[] = [];
  let serial = 0;
  let pintail: PintailProcess;

  beforeAll(async () => {
    console.log(`seed ${seed}`);
    pintail = await PintailProcess.start({ dir });
  });

  afterAll(async () => {
    await pintail?.kill();
    execFileSync("umount", ["-l", dir]);
    rmSync(dir, { recursive: true, force: true });
  });

  /** One trace whose body is about `kilobytes` of noise. */
  function noise(kilobytes: number): { traceId: string; body: Uint8Array<ArrayBuffer> } {
    const traceId = (++serial).toString(16).padStart(32, "e");
    const start = BigInt(Date.now()) * 1_000_000n;
    const text = (): string => {
      let out = "";
      while (out.length < 1000) out += Math.floor(random() * 2 ** 32).toString(36);
      return out;
    };
    const values = Object.fromEntries(
      Array.from({ length: kilobytes }, (_, i) => [`k${i}`, text()]),
    );
    const span = aSpan({
      traceId: hex(traceId),
      name: "noise",
      startTimeUnixNano: start,
      endTimeUnixNano: start + 1n,
      attributes: attributes({ serial: BigInt(serial), ...values }),
    });
    return { traceId, body: encodeRequest(aRequest([span])) };
  }

  function freeBytes(): number {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  }

  /** Takes all but `leave` bytes of the disk. */
  function fill(leave: number): void {
    const bytes = freeBytes() - leave;
    if (bytes > 0) writeFileSync(filler, new Uint8Array(bytes));
  }

  async function checkLedger(): Promise<void> {
    for (const traceId of acknowledged) {
      expect((await spansOf(pintail, traceId)).length, traceId).toBe(1);
    }
    for (const traceId of refused) expect(await spansOf(pintail, traceId), traceId).toEqual([]);
    const found = await foundIds(pintail, "{ span.serial >= 0 }", { params: "&limit=1000" });
    expect(found).toEqual([...acknowledged].sort());
  }

  it("refuses with a hint, answers queries, and goes on by itself", {
    timeout: 120_000,
  }, async () => {
    for (let i = 0; i < 3; i++) {
      const { traceId, body } = noise(20);
      expect((await pintail.push(body)).status).toBe(200);
      acknowledged.push(traceId);
    }
    expect((await foundIds(pintail, "{ span.serial >= 0 }")).length).toBe(3);
    fill(500_000);

    let response: Response | undefined;
    for (let i = 0; i < 60; i++) {
      const { traceId, body } = noise(100);
      const answer = await pintail.push(body);
      if (answer.status === 200) {
        acknowledged.push(traceId);
        continue;
      }
      refused.push(traceId);
      response = answer;
      break;
    }
    expect(response?.status).toBe(503);
    expect(Number(response?.headers.get("retry-after"))).toBeGreaterThan(0);
    const overGrpc = noise(1000);
    const client = grpcClient(pintail.ports.otlpGrpc);
    const answer = await client.export(overGrpc.body);
    refused.push(overGrpc.traceId);
    expect(answer.code).toBe(8);
    // Without it a client would throw the spans away.
    expect(answer.details?.toString("latin1")).toContain("google.rpc.RetryInfo");

    // What was findable before still is, and the process is alive and well.
    expect((await pintail.get("/ready")).status).toBe(200);
    expect((await spansOf(pintail, acknowledged[0]!)).length).toBe(1);
    expect((await foundIds(pintail, "{ span.serial = 2 }")).length).toBe(1);
    expect((await pintail.get("/api/search/tags")).status).toBe(200);
    expect((await pintail.get("/metrics")).status).toBe(200);

    unlinkSync(filler);
    await eventually(
      "a push succeeds again",
      async () => {
        const { traceId, body } = noise(20);
        const { status } = await pintail.push(body);
        (status === 200 ? acknowledged : refused).push(traceId);
        return status;
      },
      (status) => status === 200,
    );
    const { traceId, body } = noise(20);
    expect((await client.export(body)).code).toBe(0);
    acknowledged.push(traceId);
    client.close();
    // The cutter tries again by itself too.
    await eventually(
      "everything acknowledged is findable",
      async () =>
        (await foundIds(pintail, "{ span.serial >= 0 }", { params: "&limit=1000" })).length,
      (count) => count >= acknowledged.length,
    );
    await checkLedger();
  });

  it("keeps the ledger over a kill on the full disk and a start", {
    timeout: 120_000,
  }, async () => {
    fill(300_000);
    for (let i = 0; i < 8; i++) {
      const { traceId, body } = noise(60);
      const { status } = await pintail.push(body);
      expect([200, 503]).toContain(status);
      (status === 200 ? acknowledged : refused).push(traceId);
    }
    await pintail.kill();
    // It starts although nothing can be written, and answers.
    unlinkSync(filler);
    fill(100_000);
    pintail = await PintailProcess.start({ dir });
    expect((await spansOf(pintail, acknowledged[0]!)).length).toBe(1);
    unlinkSync(filler);
    await eventually(
      "everything acknowledged is findable",
      async () =>
        (await foundIds(pintail, "{ span.serial >= 0 }", { params: "&limit=1000" })).length,
      (count) => count >= acknowledged.length,
    );
    await checkLedger();
    expect(await pintail.stop()).toBe(0);
    pintail = await PintailProcess.start({ dir });
    await checkLedger();
  });
});
