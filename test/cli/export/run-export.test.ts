import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseExportArguments } from "../../../src/cli/export/arguments.ts";
import { partFile } from "../../../src/cli/export/output-path.ts";
import { writeParquetFiles } from "../../../src/cli/export/parquet-files.ts";
import { runExport } from "../../../src/cli/export/run-export.ts";
import { openDatabase } from "../../../src/drivers/duckdb/node-database.ts";
import { aRequest, aSpan, encodeRequest, hex } from "../../support/otlp-builder.ts";

let dir: string;
let server: Server;
let url: string;
let answer: (res: ServerResponse, req: IncomingMessage) => void;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pintail-export-test-"));
  server = createServer((req, res) => answer(res, req));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await rm(dir, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<{ said: string | undefined; stdout: string }> {
  const chunks: Buffer[] = [];
  const stdout = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  const stderr = { isTTY: false, write: () => {} };
  const parsed = parseExportArguments(["--url", url, ...args], 1_700_000_000_500)!;
  const said = await runExport(parsed, { stdout, stderr }, new AbortController().signal);
  return { said, stdout: Buffer.concat(chunks).toString() };
}

function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

test("what was asked for is what the server is asked", async () => {
  let asked: [string | undefined, unknown] | undefined;
  answer = (res, req) => {
    asked = [req.url, req.headers["x-scope-orgid"]];
    res.end("{}\n");
  };
  const query = "{ name = `a & b` }";
  const { stdout } = await run(query, "--since=2m", "--limit", "7", "--tenant", "t");
  expect(stdout).toBe("{}\n");
  const { pathname, searchParams } = new URL(`http://x${asked?.[0]}`);
  expect([pathname, asked?.[1]]).toEqual(["/api/export", "t"]);
  expect(Object.fromEntries(searchParams)).toEqual({
    ...{ q: query, format: "otlp-json", limit: "7" },
    ...{ start: "1699999882", end: "1700000002" },
  });
});

test("a busy server is asked again, an error is told as it is", async () => {
  let asked = 0;
  answer = (res) => {
    if (++asked === 1) res.writeHead(429, { "retry-after": "0" }).end("2 exports are running");
    else res.end("{}\n");
  };
  expect((await run("{}")).stdout).toBe("{}\n");
  answer = (res) => res.writeHead(400).end("invalid \u001b query");
  await expect(run("{}")).rejects.toThrow("invalid \\u001b query");
});

test("an export that is cut off fails, and no whole file is there", async () => {
  answer = (res) => {
    res.write("{}\n");
    setTimeout(() => res.destroy(), 50);
  };
  const file = join(dir, "out.jsonl");
  await expect(run("{}", "-o", file)).rejects.toThrow("cut the export off");
  expect(await readdir(dir)).toEqual(["out.jsonl.partial"]);
  await expect(run("{}")).rejects.toThrow("cut the export off");
  await expect(run("{}", "-o", `${dir}/`, "--format", "parquet")).rejects.toThrow();
  answer = (res) => res.end("{}\n");
  expect((await run("{}", "-o", file)).said).toBe(`exported 3 B to ${file}`);
  expect(await readFile(file, "utf8")).toBe("{}\n");
  expect(await readdir(dir)).toEqual(["out.jsonl"]);
});

test("a long Parquet export goes on in further files, traces whole", async () => {
  async function* pieces() {
    for (let i = 1; i <= 5; i++) {
      const traceId = hex(i.toString(16).padStart(32, "0"));
      const spans = [1, 2, 3].map((n) =>
        aSpan({ traceId, spanId: hex(n.toString(16).padStart(16, "0")) }),
      );
      yield framed(encodeRequest(aRequest(spans)));
    }
  }
  const options = { tenant: undefined, maxSpans: 5 };
  const { files, spanCount } = await writeParquetFiles(pieces(), join(dir, "t.parquet"), options);
  expect(spanCount).toBe(15);
  expect(files).toEqual(["t.parquet", "t-2.parquet", "t-3.parquet"].map((f) => join(dir, f)));
  const database = await openDatabase({
    ...{ memoryLimitBytes: 64 * 2 ** 20, tempDir: dir, threads: 1, maxConcurrent: 1 },
  });
  try {
    const rows = await database.rows(
      `SELECT count(DISTINCT trace_id), count(*) FROM read_parquet('${dir}/*.parquet', filename = true)
        GROUP BY filename ORDER BY ALL`,
    );
    expect(rows.map((row) => row.map(Number))).toEqual([
      [1, 3],
      [2, 6],
      [2, 6],
    ]);
  } finally {
    await database[Symbol.asyncDispose]();
  }
});

test("parts of a file are numbered before its extension", () => {
  expect(partFile("/a.b/traces.parquet", 1)).toBe("/a.b/traces.parquet");
  expect(partFile("/a.b/traces.parquet", 2)).toBe("/a.b/traces-2.parquet");
  expect(partFile("/a.b/traces", 3)).toBe("/a.b/traces-3");
});

test.each([
  [[], "no query was given"],
  [["{}", "{}"], "more than one was given"],
  [["{}", "--format", "csv"], "none of otlp-json, otlp-proto, parquet"],
  [["{}", "--format", "parquet"], "say where with -o PATH"],
  [["{}", "--start", "5"], "--start and --end go together"],
  [["{}", "--since", "1h", "--start", "5", "--end", "6"], "give one"],
  [["{}", "--since", "tomorrow"], "no duration such as 15m"],
  [["{}", "--limit", "-1"], "no whole number"],
  [["{}", "--what"], "unknown option '--what'"],
])("%j is refused", (args, reason) => {
  expect(() => parseExportArguments(args, 0)).toThrow(reason);
});
