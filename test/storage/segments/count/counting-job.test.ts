import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nodeFiles } from "../../../../src/drivers/files/node-files.ts";
import {
  type CountedFile,
  type CountingOutcome,
  runCountingJob,
} from "../../../../src/storage/segments/count/counting-job.ts";
import { aSpan, batchOf } from "../../../support/batch-builder.ts";
import { write } from "../stored-rows.ts";

const SECOND = 1_000_000_000n;
const GRID = { startUnixNano: -1n, stepNanos: SECOND, count: 10 };

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pintail-counting-job-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A file of spans of these names, the first in this second and the others each one later. */
async function fileOf(id: string, second: bigint, ...names: readonly string[]) {
  const spans = names.map((name, i) => spanAt(second + BigInt(i), name));
  return await put(id, write(batchOf(spans)).file);
}

function spanAt(second: bigint, name: string) {
  const startUnixNano = second * SECOND;
  return aSpan({ name, startUnixNano, endUnixNano: startUnixNano });
}

async function put(id: string, bytes: Uint8Array): Promise<CountedFile> {
  const path = join(dir, id);
  await writeFile(path, bytes);
  return { path, included: undefined, selected: undefined };
}

function run(files: readonly CountedFile[], grid = GRID): Promise<CountingOutcome> {
  const request = { columns: [{ name: "name", values: undefined }], grid };
  return runCountingJob(nodeFiles(), { files, request, stop: new SharedArrayBuffer(4) });
}

async function counted(files: readonly CountedFile[], grid = GRID) {
  const outcome = await run(files, grid);
  if (outcome.type !== "counted") throw new Error(`the outcome is ${outcome.type}`);
  return outcome.counts;
}

describe("a counting job", () => {
  test("puts the counts of its files together, whatever buckets and values they have", async () => {
    const files = [
      await fileOf("a", 4n, "x", "y"),
      await fileOf("b", 2n, "y"),
      { ...(await fileOf("c", 7n, "z", "x")), selected: Uint8Array.of(0b0100_0000) },
    ];
    const { firstBucket, bucketCount, columns, fileCount, refused } = await counted(files);
    expect({ firstBucket, bucketCount, fileCount, refused }).toEqual({
      firstBucket: 2,
      bucketCount: 7,
      fileCount: 3,
      refused: [],
    });
    const [{ values, cells }] = columns as [(typeof columns)[0]];
    const found = values.map((value, i) => [value, [...cells.subarray(14 * i, 14 * (i + 1))]]);
    expect(Object.fromEntries(found)).toEqual({
      x: [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      y: [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
      z: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
    });
  });

  test("passes over files of which no row is in the grid", async () => {
    const files = [
      await fileOf("outside", 100n, "w"),
      await fileOf("inside", 3n, "x"),
      await fileOf("outside-too", 200n, "w"),
    ];
    const { firstBucket, bucketCount, columns, fileCount } = await counted(files);
    expect({ firstBucket, bucketCount, fileCount }).toEqual({
      firstBucket: 3,
      bucketCount: 1,
      fileCount: 3,
    });
    expect(columns).toEqual([{ name: "name", values: ["x"], cells: Uint32Array.of(1, 0) }]);
  });

  test("ends in front of a file with which something is wrong, which is told of the first", async () => {
    const good = await fileOf("good", 1n, "x");
    const damaged = await put("damaged", new Uint8Array(1000));
    const gone = { ...good, path: join(dir, "gone") };
    expect((await counted([good, damaged, good])).fileCount).toBe(1);
    expect((await counted([good, good, gone])).fileCount).toBe(2);
    expect(await run([damaged, good])).toMatchObject({ type: "damaged" });
    expect(await run([gone, good])).toEqual({ type: "gone" });
  });

  test("a file with a column that is refused stands alone", async () => {
    const narrow = await fileOf("narrow", 1n, "x");
    const wide = await put("wide", write(batchOf([spanAt(1n, "x"), spanAt(3_000_000n, "y")])).file);
    const grid = { ...GRID, count: 4_000_000 };
    expect(await counted([narrow, wide, narrow], grid)).toMatchObject({
      fileCount: 1,
      refused: [],
    });
    expect(await counted([wide, narrow], grid)).toMatchObject({
      fileCount: 1,
      refused: ["name"],
      columns: [],
    });
  });

  test("refuses all columns of a file that it does not know", async () => {
    const known = await fileOf("known", 1n, "x");
    const unknown = { ...known, path: join(dir, "unknown") };
    const database = await DuckDBInstance.create();
    const connection = await database.connect();
    await connection.run(`COPY (SELECT 'x' AS name) TO '${unknown.path}' (FORMAT parquet)`);
    connection.closeSync();
    database.closeSync();
    expect(await counted([known, unknown])).toMatchObject({ fileCount: 1, refused: [] });
    expect(await counted([unknown, known])).toMatchObject({
      fileCount: 1,
      refused: ["name"],
      columns: [],
    });
  });

  test("gives nothing when it is no longer wanted", async () => {
    const file = await fileOf("stopped", 1n, "x");
    const stop = new SharedArrayBuffer(4);
    new Int32Array(stop)[0] = 1;
    const request = { columns: [], grid: GRID };
    expect(await runCountingJob(nodeFiles(), { files: [file, file], request, stop })).toEqual({
      type: "none",
    });
  });
});
