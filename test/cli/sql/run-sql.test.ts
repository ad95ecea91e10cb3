import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ExportTraceServiceRequestSchema } from "../../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { parseSqlArguments } from "../../../src/cli/sql/arguments.ts";
import { runSql } from "../../../src/cli/sql/run-sql.ts";
import { openDatabase } from "../../../src/drivers/duckdb/node-database.ts";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { OtlpDecoder } from "../../../src/receivers/otlp/decode.ts";
import { openCatalog } from "../../../src/storage/catalog/duckdb-catalog.ts";
import { SegmentWriter } from "../../../src/storage/segments/segment-writer.ts";
import { aRequest, aSpan } from "../../support/otlp-builder.ts";

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pintail-cli-"));
  const files = nodeFiles();
  const batch = new SpanBatch(1);
  const request = aRequest([aSpan({ name: "GET \u001b[31m" })], { service: "shop" });
  new OtlpDecoder(batch, { maxAttributeBytes: 0 }).decode(
    toBinary(ExportTraceServiceRequestSchema, create(ExportTraceServiceRequestSchema, request)),
  );
  const writer = new SegmentWriter({
    files,
    segmentDir: join(dir, "blocks"),
    newId: () => "01SEGMENT0000000000000000A",
    nowMs: () => 0,
  });
  const meta = await writer.write(batch, {
    tenant: "single-tenant",
    level: 1,
    walRange: undefined,
    replaces: [],
  });
  const catalog = await openCatalog({
    files,
    dataDir: dir,
    openDatabase: (path) =>
      openDatabase({
        ...{ path, tempDir: join(dir, "tmp"), threads: 1, maxConcurrent: 1 },
        memoryLimitBytes: 128 * 2 ** 20,
      }),
    rebuild: async () => ({
      segments: (async function* () {})(),
      removed: [],
      walPositions: { cutTo: 0, releasedTo: 0 },
    }),
    nowMs: Date.now,
  });
  await catalog.commit({ add: [meta] });
  await catalog[Symbol.asyncDispose]();
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function pintailSql(args: string[], stdin = ""): Promise<string> {
  let text = "";
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const input = (async function* () {
    yield stdin;
  })();
  await runSql(parseSqlArguments(args)!, { stdin: input, stdout }, new AbortController().signal);
  return text;
}

test("a data folder answers as a table, from an argument, a file and standard input", async () => {
  const sql = "select service_name as s, name, span_id_hex as id from spans";
  const expected =
    "s    | name           | id              \n" +
    "-----+----------------+-----------------\n" +
    "shop | GET \\u001b[31m | b7ad6b7169203331\n(1 row)\n";
  expect(await pintailSql(["--data-dir", dir, sql])).toBe(expected);
  await writeFile(join(dir, "q.sql"), sql);
  expect(await pintailSql(["--data-dir", dir, "-f", join(dir, "q.sql")])).toBe(expected);
  expect(await pintailSql(["--data-dir", dir], sql)).toBe(expected);
});

test("formats go to standard output or to a file; half a result leaves none", async () => {
  const sql = "select service_name as s from spans";
  expect(await pintailSql([`--data-dir=${dir}`, "--format=csv", sql])).toBe("s\nshop\n");
  const file = join(dir, "out.parquet");
  await pintailSql([`--data-dir=${dir}`, "--format=parquet", "-o", file, sql]);
  expect((await readFile(file)).toString("latin1", 0, 4)).toBe("PAR1");
  const broken = join(dir, "broken.csv");
  const failing = "select if(range = 500000, error('boom'), 'x') as v from range(1000000)";
  await expect(
    pintailSql([`--data-dir=${dir}`, "--format=csv", "-o", broken, failing]),
  ).rejects.toThrow("boom");
  await expect(readFile(broken)).rejects.toThrow("ENOENT");
});

test("a folder that a server holds is not read behind its back", async () => {
  const lock = await nodeFiles().lock(join(dir, "lock"));
  await expect(pintailSql(["--data-dir", dir, "select 1"])).rejects.toThrow(
    `a server has ${dir} open; ask it with --url`,
  );
  await lock.release();
  await expect(pintailSql(["--data-dir", join(dir, "no"), "select 1"])).rejects.toThrow(
    "there is no catalog",
  );
});

test("a server gets the statement, the tenant and the bounds; its words are shown", async () => {
  const seen: unknown[] = [];
  const server: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      seen.push([request.url, request.headers["x-scope-orgid"], request.headers.accept, body]);
      if (body === "bad") response.writeHead(400).end("no such thing");
      else if (body === "cut") response.end('{"columns":[{"name":"a","type":"VARCHAR"}]}\n["1"]\n');
      else response.end("a\n1\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ["--url", url, "--tenant", "t", "--limit", "5", "--timeout", "2.5"];
  expect(await pintailSql([...args, "--format", "csv", "select 1"])).toBe("a\n1\n");
  expect(seen).toEqual([["/api/sql?limit=5&timeout=2.5", "t", "text/csv", "select 1"]]);
  await expect(pintailSql(["--url", url, "bad"])).rejects.toThrow("no such thing");
  await expect(pintailSql(["--url", url, "cut"])).rejects.toThrow("the result was cut off");
  server.close();
});

test.each([
  [["--format", "xml", "select 1"], "--format 'xml'"],
  [["--limit", "x", "select 1"], "--limit 'x'"],
  [["--nope", "select 1"], "unknown option '--nope'"],
  [["select", "1"], "quotes"],
  [["--url", "http://x", "--data-dir", "y", "select 1"], "give one"],
  [["-f", "x", "select 1"], "one of them"],
  [["--tenant"], "--tenant needs a value"],
])("%j is refused", (args, message) => {
  expect(() => parseSqlArguments(args)).toThrow(message);
});
