import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { IsolatedQuery } from "../../../../src/drivers/duckdb/isolated/isolated-sql.ts";
import { ProcessSql } from "../../../../src/drivers/duckdb/isolated/process-sql.ts";
import { QueryFolders } from "../../../../src/drivers/duckdb/isolated/query-folders.ts";
import { PintailError } from "../../../../src/errors.ts";

const QUERY: IsolatedQuery = {
  ...{ sql: "select 1 as a", fasterSql: undefined, setup: [], allowedPaths: [] },
  ...{ format: "csv", limit: 0, maxRows: 0 },
};
const SETTINGS = { memoryLimitBytes: 64 * 2 ** 20, threads: 1, maxTempBytes: 2 ** 20 };

let dir: string;
let left: string[];
const onLeft = (folder: string, error: unknown): void => {
  left.push(`${folder}: ${(error as Error).message}`);
};
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pintail-folders-"));
  left = [];
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const broken = async (): Promise<void> => {
  throw new Error("input/output error");
};

test("a folder that cannot be removed is told, and its query has its result", async () => {
  const folders = new QueryFolders({ onLeft, remove: broken }, dir);
  const answer = await new ProcessSql(folders, SETTINGS).run(QUERY, {
    signal: new AbortController().signal,
  });
  expect(await new Response(answer.body).text()).toBe("a\n1\n");
  await answer.ended;
  // An unhandled rejection would fail the whole run, as it would end the server.
  await new Promise((resolve) => setImmediate(resolve));
  const [name] = await readdir(dir);
  expect(left).toEqual([`${join(dir, name!)}: input/output error`]);
});

test("the next start removes what was left, and nothing else", async () => {
  const folders = new QueryFolders({ onLeft, remove: broken }, dir);
  const folder = await folders.create();
  await writeFile(join(folder, "spill"), "x");
  await folders.remove(folder);
  expect(left).toHaveLength(1);
  await mkdir(join(dir, "other"));
  await new QueryFolders({ onLeft }, dir).removeLeft();
  expect(await readdir(dir)).toEqual(["other"]);
  expect(left).toHaveLength(1);
});

test("one folder that stays does not keep the others, nor the start", async () => {
  const [first, second] = [join(dir, "sql-1"), join(dir, "sql-2")];
  await mkdir(first);
  await mkdir(second);
  const remove = (folder: string): Promise<void> =>
    folder === first ? broken() : rm(folder, { recursive: true });
  await new QueryFolders({ onLeft, remove }, dir).removeLeft();
  expect(await readdir(dir)).toEqual(["sql-1"]);
  expect(left).toEqual([`${first}: input/output error`]);
});

test("before the first query there is nothing to remove, nor to tell", async () => {
  await new QueryFolders({ onLeft }, join(dir, "none")).removeLeft();
  expect(left).toEqual([]);
});

test("a folder that comes after its query was given up is removed", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const removed: string[] = [];
  const folders = {
    create: () => promise,
    remove: async (folder: string) => void removed.push(folder),
  };
  const over = new AbortController();
  const run = new ProcessSql(folders, SETTINGS).run(QUERY, { signal: over.signal });
  over.abort(new PintailError("timeout", "query exceeded 5 ms"));
  await expect(run).rejects.toMatchObject({ kind: "timeout", message: "query exceeded 5 ms" });
  resolve("late");
  await new Promise((done) => setImmediate(done));
  expect(removed).toEqual(["late"]);
});
