import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../../../src/drivers/duckdb/node-database.ts";
import { FIXED_COLUMNS } from "../../../src/schema/columns.ts";
import { eventually, foundIds, normalTrace, resourceSpansOf } from "../../support/e2e-answers.ts";
import { hostileSpans } from "../../support/e2e-hostile.ts";
import { attribute, encodeRequest, type SpanInit } from "../../support/otlp-builder.ts";
import { PintailProcess } from "../../support/pintail-process.ts";
import { seededRandom, testSeed } from "../../support/random.ts";

const COMMAND = resolve(import.meta.dirname, "../../../bin/pintail.mjs");
const SEED = testSeed();
const TRACES = 40;

let source: PintailProcess;
let target: PintailProcess | undefined;
let dir: string;
const ids: string[] = [];

beforeAll(async () => {
  console.log(`seed ${SEED}`);
  dir = await mkdtemp(join(tmpdir(), "pintail-round-trip-"));
  source = await PintailProcess.start();
  const random = seededRandom(SEED);
  const now = BigInt(Date.now()) * 1_000_000n;
  for (let i = 1; i <= TRACES; i++) {
    const id = (0xabc000n + BigInt(i)).toString(16).padStart(32, "0");
    ids.push(id);
    const spans = hostileSpans(random, id, now - BigInt(i) * 1_000_000_000n);
    // Of a trace the parts come in two requests, from two services, one without a resource.
    const half = spans.length >> 1;
    await push(i % 3 === 0 ? undefined : "shop", spans.slice(0, half));
    await push("other", spans.slice(half));
  }
}, 120_000);
afterEach(async () => {
  await target?.remove();
  target = undefined;
});
afterAll(async () => {
  await source?.remove();
  await rm(dir, { recursive: true, force: true });
});

async function push(service: string | undefined, spans: SpanInit[]): Promise<void> {
  const attributes = service === undefined ? [] : [attribute("service.name", service)];
  const scopeSpans = [{ scope: { name: "lib", version: "1" }, spans }];
  const resourceSpans = [{ resource: { attributes }, scopeSpans }];
  const answer = await source.push(encodeRequest({ resourceSpans }));
  expect(answer.status).toBe(200);
}

/** Runs the command as a person does; rejects unless it ends well. */
async function pintail(...args: string[]): Promise<string> {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [COMMAND, ...args], {
    maxBuffer: 64 * 2 ** 20,
  });
  return stdout;
}

/** Imports into an empty server and compares every trace with what the source says of it. */
async function expectSameTraces(...paths: string[]): Promise<void> {
  target = await PintailProcess.start();
  const door = `http://127.0.0.1:${target.ports.otlpHttp}`;
  await pintail("import", "--url", door, ...paths);
  for (const id of ids) {
    const [original, copy] = await Promise.all([
      resourceSpansOf(source, id),
      resourceSpansOf(target, id),
    ]);
    expect(normalTrace(copy)).toEqual(normalTrace(original));
  }
}

const exportTo = (path: string, ...args: string[]) =>
  pintail("export", "{}", "--url", source.url, "-o", path, ...args);

test("OTLP/JSON goes out and comes in again without loss, also compressed", async () => {
  const file = join(dir, "traces.jsonl");
  await exportTo(file);
  const text = await readFile(file);
  expect(text.toString().trimEnd().split("\n").length).toBe(TRACES);
  await rm(file);
  await writeFile(`${file}.zst`, zstdCompressSync(text));
  await expectSameTraces(`${file}.zst`);
}, 120_000);

test("OTLP protobuf goes out and comes in again without loss, also compressed", async () => {
  const folder = join(dir, "proto/");
  await exportTo(folder, "--format", "otlp-proto");
  expect(await readdir(folder)).toEqual(["traces.binpb"]);
  const file = join(folder, "traces.binpb");
  await writeFile(file, gzipSync(await readFile(file)));
  await expectSameTraces(folder);
}, 120_000);

test("Parquet has the rows that the server has, and comes in again without loss", async () => {
  const file = join(dir, "spans.parquet");
  await exportTo(file, "--format", "parquet");
  // What is of the trace differs where the server holds it in two segments.
  const columns = FIXED_COLUMNS.map(({ name }) => name)
    .filter((name) => !/^(trace_(start|duration)|root_|nested_|child_count)/.test(name))
    .join(", ");
  const answer = await fetch(`${source.url}/api/sql`, {
    method: "POST",
    headers: { accept: "application/vnd.apache.parquet" },
    body: `select ${columns} from spans`,
  });
  const served = join(dir, "served.parquet");
  await writeFile(served, new Uint8Array(await answer.arrayBuffer()));
  const database = await openDatabase({
    ...{ memoryLimitBytes: 128 * 2 ** 20, tempDir: dir, threads: 1, maxConcurrent: 1 },
  });
  try {
    const [ours, theirs] = [file, served].map(
      (path) => `SELECT DISTINCT ${columns} FROM read_parquet('${path}')`,
    );
    expect(await database.rows(`(${ours}) EXCEPT (${theirs})`)).toEqual([]);
    expect(await database.rows(`(${theirs}) EXCEPT (${ours})`)).toEqual([]);
    const [count] = await database.rows(`SELECT count(*) FROM (${ours})`);
    expect(Number(count?.[0])).toBeGreaterThan(TRACES);
  } finally {
    await database[Symbol.asyncDispose]();
  }
  await expectSameTraces(file);
}, 120_000);

test("Tempo's answers by id come in, of both versions", async () => {
  const folder = join(dir, "answers");
  await mkdir(folder);
  for (const [i, id] of ids.entries()) {
    const path = i % 2 === 0 ? `/api/traces/${id}` : `/api/v2/traces/${id}`;
    const answer = await source.get(path, { accept: "application/json" });
    await writeFile(join(folder, `${id}.json`), await answer.text());
  }
  await expectSameTraces(folder);
}, 120_000);

test("export asks for what the query, the limit and the range say", async () => {
  const newest = await pintail("export", "{}", "--url", source.url, "--limit", "3");
  expect(newest.trimEnd().split("\n").length).toBe(3);
  expect(newest).toContain(ids[0]);
  const shop = await pintail("export", `{ resource.service.name = "shop" }`, "--url", source.url);
  const found = await eventually(
    "search",
    () => foundIds(source, `{ resource.service.name = "shop" }`, { params: "&limit=100" }),
    (all) => all.length > 0,
  );
  expect(shop.trimEnd().split("\n").length).toBe(found.length);
  const recent = await pintail("export", "{}", "--url", source.url, "--since", "1h", "--limit=1");
  expect(recent).toContain('"traceId"');
  await expect(pintail("export", "{", "--url", source.url)).rejects.toThrow(/parse error/);
  await expect(pintail("export", "{}", "--url", "http://127.0.0.1:1")).rejects.toThrow(
    /no server answers/,
  );
}, 120_000);
