import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseImportArguments } from "../../../src/cli/import/arguments.ts";
import { runImport } from "../../../src/cli/import/run-import.ts";
import { spanCount } from "../../../src/cli/import/span-count.ts";
import { aRequest, aSpan, attribute, encodeRequest } from "../../support/otlp-builder.ts";

const RETRIES = { firstWaitMs: 1, maxWaitMs: 5, maxAttempts: 4 };
type Answer = (res: ServerResponse, body: Uint8Array, req: IncomingMessage) => void;

let dir: string;
let server: Server;
let url: string;
/** Spans of the requests that were taken. */
let taken: number;
let atOnce: number;
let answer: Answer;

const take: Answer = (res, body) => {
  taken += spanCount(body);
  res.writeHead(200).end();
};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pintail-import-test-"));
  taken = 0;
  atOnce = 0;
  answer = take;
  let open = 0;
  server = createServer((req, res) => {
    atOnce = Math.max(atOnce, ++open);
    res.once("close", () => open--);
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => answer(res, new Uint8Array(Buffer.concat(chunks)), req));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await rm(dir, { recursive: true, force: true });
});

async function importPaths(
  args: readonly string[],
  options: { stdin?: AsyncIterable<Uint8Array>; isTTY?: boolean; signal?: AbortSignal } = {},
) {
  const { isTTY = false, signal = new AbortController().signal } = options;
  const stdin = options.stdin ?? (async function* () {})();
  let written = "";
  const stderr = {
    isTTY,
    columns: 100,
    write: (text: string) => {
      written += text;
    },
  };
  const parsed = parseImportArguments(["--url", url, ...args])!;
  const summary = await runImport(parsed, { stdin, stderr }, signal, RETRIES);
  return { summary, stderr: written };
}

const requestOf = (count: number, blob = "") =>
  encodeRequest(
    aRequest(
      Array.from({ length: count }, (_, i) =>
        aSpan({ name: `${i}`, attributes: [attribute("blob", blob)] }),
      ),
    ),
  );

async function file(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  return path;
}

test("folders are imported whole, damaged files are named, hidden ones passed over", async () => {
  await mkdir(join(dir, "b"));
  await file("a.binpb", requestOf(2));
  await file("b/c.gz", gzipSync(requestOf(3)));
  await file("b/d.gz", gzipSync(requestOf(3)).subarray(0, 40));
  await file("e.txt", "hello");
  await file(".hidden", "hello");
  const { summary, stderr } = await importPaths([dir]);
  expect(summary).toEqual({ files: 4, failedFiles: 2, spans: 5 });
  expect(taken).toBe(5);
  expect(stderr.split("\n")).toEqual([
    expect.stringMatching(/^pintail import: .*b\/d\.gz: its gzip data are not whole/),
    expect.stringMatching(/^pintail import: .*e\.txt: this is no OTLP file/),
    "",
  ]);
});

test("standard input is read, and the tenant and the type are told to the server", async () => {
  const seen: unknown[] = [];
  answer = (res, body, req) => {
    seen.push(req.url, req.headers["x-scope-orgid"], req.headers["content-type"]);
    take(res, body, req);
  };
  async function* stdin() {
    yield requestOf(2);
  }
  const { summary } = await importPaths(["--tenant", "t1", "-"], { stdin: stdin() });
  expect(summary.spans).toBe(2);
  expect(seen).toEqual(["/v1/traces", "t1", "application/x-protobuf"]);
});

test("compressed files are read whole, of however many frames they are", async () => {
  const [one, two] = [requestOf(1), requestOf(2, "x".repeat(300_000))];
  const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const checked = zstdCompressSync(one, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const zstd = Buffer.concat([checked, skippable, zstdCompressSync(two), zstdCompressSync(one)]);
  const paths = [
    await file("zstd", zstd),
    await file("gzip", Buffer.concat([gzipSync(one), gzipSync(two)])),
    await file("cut", zstd.subarray(0, -2)),
    await file("followed", Buffer.concat([checked, Buffer.from("other")])),
  ];
  const { summary, stderr } = await importPaths(["--dry-run", ...paths]);
  expect(summary.failedFiles).toBe(2);
  expect(summary.spans).toBe(4 + 3 + 3 + 1);
  expect(stderr).toMatch(/cut: .*the file ends within a frame/);
  expect(stderr).toMatch(/followed: what follows a zstd frame is none/);
});

test("a large file goes in several requests, some of them at once", async () => {
  const large = requestOf(15_000, "x".repeat(1000));
  let largest = 0;
  answer = (res, body, req) => {
    largest = Math.max(largest, body.length);
    setTimeout(() => take(res, body, req), 50);
  };
  const { summary } = await importPaths([await file("large", large)]);
  expect(summary).toEqual({ files: 1, failedFiles: 0, spans: 15_000 });
  expect(taken).toBe(15_000);
  expect(largest).toBeLessThan(4.1 * 1024 * 1024);
  expect(atOnce).toBeGreaterThan(1);
  expect(atOnce).toBeLessThanOrEqual(4);
});

test("a dry run counts and checks, and sends nothing", async () => {
  const noId = encodeRequest(aRequest([aSpan({ traceId: new Uint8Array(16) })]));
  const paths = [await file("good", requestOf(4)), await file("bad", noId)];
  const { summary, stderr } = await importPaths(["--dry-run", ...paths]);
  expect(summary).toEqual({ files: 2, failedFiles: 1, spans: 4 });
  expect(stderr).toMatch(/bad: .*trace/);
  expect(taken).toBe(0);
});

describe("what the server answers", () => {
  test("busy servers are asked again, not before they wish", async () => {
    const times: number[] = [];
    answer = (res, body, req) => {
      times.push(performance.now());
      if (times.length === 1) res.writeHead(429, { "retry-after": "1" }).end();
      else if (times.length === 2) res.writeHead(503).end();
      else if (times.length === 3) res.destroy();
      else take(res, body, req);
    };
    const { summary, stderr } = await importPaths([await file("a", requestOf(2))]);
    expect(summary).toEqual({ files: 1, failedFiles: 0, spans: 2 });
    expect(stderr).toBe("");
    expect(times.length).toBe(4);
    expect(times[1]! - times[0]!).toBeGreaterThan(950);
  });

  test("a server that stays busy fails the file, not the others", async () => {
    const busy = requestOf(3);
    answer = (res, body, req) =>
      body.length === busy.length ? res.writeHead(429).end("slow down") : take(res, body, req);
    const paths = [await file("a", busy), await file("b", requestOf(1))];
    const { summary, stderr } = await importPaths(paths);
    expect(summary).toEqual({ files: 2, failedFiles: 1, spans: 1 });
    expect(stderr).toContain("gave up after 4 attempts: 429 slow down");
  });

  test("too large requests are sent in pieces; a span that is too large is told", async () => {
    answer = (res, body, req) =>
      body.length > 3000 ? res.writeHead(413).end() : take(res, body, req);
    const paths = [
      await file("a", requestOf(40, "x".repeat(400))),
      await file("b", requestOf(1, "x".repeat(5000))),
    ];
    const { summary, stderr } = await importPaths(paths);
    expect(summary).toEqual({ files: 2, failedFiles: 1, spans: 40 });
    expect(stderr).toMatch(/b: a span of \d+ bytes is too large for the server/);
  });

  test("a refused request fails its file, with the server's reason made harmless", async () => {
    answer = (res) => res.writeHead(400).end("bad \u001b[31m id");
    const { summary, stderr } = await importPaths([await file("a", requestOf(2))]);
    expect(summary).toEqual({ files: 1, failedFiles: 1, spans: 0 });
    expect(stderr).toContain("the server refused 2 spans: 400 bad \\u001b[31m id");
  });

  test("spans that the server leaves out are not counted as imported", async () => {
    // partial_success { rejected_spans: 1 }
    answer = (res) =>
      res
        .writeHead(200, { "content-type": "application/x-protobuf" })
        .end(Buffer.from([0x0a, 2, 0x08, 1]));
    const { summary, stderr } = await importPaths([await file("a", requestOf(3))]);
    expect(summary).toEqual({ files: 1, failedFiles: 1, spans: 2 });
    expect(stderr).toContain("the server left out 1 spans");
  });

  test("a wrong address or no server ends the import", async () => {
    const paths = [await file("a", requestOf(1)), await file("b", requestOf(1))];
    answer = (res) => res.writeHead(404).end("not here");
    await expect(importPaths(paths)).rejects.toThrow("the server answers 404 not here");
    const port = (server.address() as AddressInfo).port;
    await new Promise((done) => server.close(done));
    await expect(importPaths(paths)).rejects.toThrow(`no server answers at ${url}`);
    await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  });

  test("an import can be stopped while it waits", async () => {
    const stopping = new AbortController();
    answer = (res) => {
      res.writeHead(503, { "retry-after": "100" }).end();
      setTimeout(() => stopping.abort(), 20);
    };
    const paths = [await file("a", requestOf(1))];
    await expect(importPaths(paths, { signal: stopping.signal })).rejects.toThrow();
  });
});

test("a bar is drawn on a terminal and wiped at the end", async () => {
  const { stderr } = await importPaths([await file("a", requestOf(2))], { isTTY: true });
  expect(stderr.split("\u001b[K")[0]).toMatch(/^\r\[#+\] 100% {2}\d+ B {2}0 spans {2}0\/s$/);
  expect(stderr.endsWith("\r\u001b[K")).toBe(true);
});

test("a path that is not there ends the import before it begins", async () => {
  await expect(importPaths([await file("a", requestOf(1)), join(dir, "no")])).rejects.toThrow(
    /ENOENT/,
  );
  expect(taken).toBe(0);
});

test.each([
  [[], "no file was given"],
  [["-", "-"], "'-' was given twice"],
  [["--what", "x"], "unknown option '--what'"],
  [["--url"], "--url needs a value"],
  [["--url", "nowhere", "x"], "no http or https address"],
])("%j is refused", (args, reason) => {
  expect(() => parseImportArguments(args)).toThrow(reason);
});
