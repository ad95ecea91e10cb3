import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { spawnWorker, type WorkerHandle } from "../../../../src/runtime/worker.ts";
import type {
  CountedFile,
  CountingJob,
  CountingOutcome,
  FilesRequest,
} from "../../../../src/storage/segments/count/counting-job.ts";
import { CountingThreads } from "../../../../src/storage/segments/count/counting-threads.ts";
import { aSpan, batchOf } from "../../../support/batch-builder.ts";
import { write } from "../stored-rows.ts";

const MODULE = new URL("../../../../src/threads/counting-thread.ts", import.meta.url);
const REQUEST: FilesRequest = {
  columns: [{ name: "name", values: undefined }],
  grid: { startUnixNano: 0n, stepNanos: 10n ** 18n, count: 10 },
};

function filesAt(...paths: readonly string[]): CountedFile[] {
  return paths.map((path) => ({ path, included: undefined, selected: undefined }));
}

let dir: string;
let path: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pintail-count-"));
  path = join(dir, "a.parquet");
  await writeFile(path, write(batchOf([aSpan({ name: "GET /" })])).file);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

type Thread = WorkerHandle<CountingOutcome, CountingJob>;

/** A thread whose jobs end when the test says so. */
class HeldThread implements Thread {
  readonly jobs: CountingJob[] = [];
  terminated = false;
  reply: (outcome: CountingOutcome) => void = () => {};
  die: (error: Error) => void = () => {};
  post(job: CountingJob): void {
    this.jobs.push(job);
  }
  onMessage(handler: (outcome: CountingOutcome) => void): void {
    this.reply = handler;
  }
  onExit(handler: (error: Error) => void): void {
    this.die = handler;
  }
  async terminate(): Promise<void> {
    this.terminated = true;
  }
}

function heldThreads(count: number, idleMs = 60_000) {
  const threads: HeldThread[] = [];
  const spawn = () => {
    threads.push(new HeldThread());
    return threads.at(-1)!;
  };
  return { threads, pool: new CountingThreads(spawn, count, idleMs) };
}

const NEVER = new AbortController().signal;

describe("counting threads", () => {
  test("count a file's values", async () => {
    const pool = new CountingThreads(() => spawnWorker(MODULE, { name: "counting" }), 2);
    try {
      const counts = await pool.count(filesAt(path), REQUEST, NEVER);
      expect(counts?.columns[0]?.values).toEqual(["GET /"]);
      expect(counts?.columns[0]?.cells.reduce((a, b) => a + b)).toBe(1);
      expect(counts?.fileCount).toBe(1);
      await expect(pool.count(filesAt(`${path}-gone`), REQUEST, NEVER)).rejects.toMatchObject({
        kind: "not_found",
      });
      await writeFile(join(dir, "b.parquet"), new Uint8Array(1000));
      await expect(
        pool.count(filesAt(join(dir, "b.parquet")), REQUEST, NEVER),
      ).rejects.toMatchObject({
        kind: "corrupt",
      });
    } finally {
      await pool.close();
    }
  });

  test("take one job each, and those that wait in their order", async () => {
    const { threads, pool } = heldThreads(2);
    const results = ["a", "b", "c"].map((name) => pool.count(filesAt(name), REQUEST, NEVER));
    expect(threads.map(({ jobs }) => jobs.map(({ files }) => files[0]?.path))).toEqual([
      ["a"],
      ["b"],
    ]);
    threads[1]!.reply({ type: "none" });
    expect(await results[1]).toBeUndefined();
    expect(threads[1]!.jobs.map(({ files }) => files[0]?.path)).toEqual(["b", "c"]);
    await pool.close();
    await expect(results[0]).resolves.toBeUndefined();
  });

  test("an abort ends the wait at once and tells the thread", async () => {
    const { threads, pool } = heldThreads(1);
    const abort = new AbortController();
    const running = pool.count(filesAt("a"), REQUEST, abort.signal);
    const waiting = pool.count(filesAt("b"), REQUEST, abort.signal);
    abort.abort();
    await expect(running).rejects.toMatchObject({ kind: "canceled" });
    expect(new Int32Array(threads[0]!.jobs[0]!.stop)[0]).toBe(1);
    threads[0]!.reply({ type: "none" });
    await expect(waiting).rejects.toMatchObject({ kind: "canceled" });
    expect(threads[0]!.jobs).toHaveLength(1);
    await pool.close();
  });

  test("what a thread dies of leaves the work to the database, and the next gets a new one", async () => {
    const { threads, pool } = heldThreads(1);
    const first = pool.count(filesAt("a"), REQUEST, NEVER);
    const second = pool.count(filesAt("b"), REQUEST, NEVER);
    threads[0]!.die(new Error("out of memory"));
    expect(await first).toBeUndefined();
    expect(threads).toHaveLength(2);
    threads[1]!.reply({ type: "none" });
    expect(await second).toBeUndefined();
    await pool.close();
  });

  test("end when there is nothing to do", async () => {
    const { threads, pool } = heldThreads(1, 5);
    const result = pool.count(filesAt("a"), REQUEST, NEVER);
    threads[0]!.reply({ type: "none" });
    await result;
    await expect.poll(() => threads[0]!.terminated).toBe(true);
    void pool.count(filesAt("b"), REQUEST, NEVER);
    expect(threads).toHaveLength(2);
    await pool.close();
    await expect(pool.count(filesAt("c"), REQUEST, NEVER)).rejects.toMatchObject({
      kind: "unavailable",
    });
  });
});
