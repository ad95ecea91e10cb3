import { execFile } from "node:child_process";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../../src/drivers/duckdb/node-database.ts";
import type { RedactionStatus } from "../../src/storage/redaction/redactions.ts";
import { eventually } from "../support/e2e-answers.ts";
import { aSpan, attribute, encodeRequest, hex, type SpanInit } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";

const LAUNCHER = resolve(import.meta.dirname, "../../bin/pintail.mjs");
const SHIFTED = resolve(import.meta.dirname, "../support/shifted-clock.ts");
const run = promisify(execFile);
const SECRET = "s3cret-4be1";
const START_MS = Date.now() - 60_000;
const TRACES = 12;
const REDACTED = [2, 5, 9];
const YAML = "ingester: { max_block_duration: 2s }\n";
/** More than the grace period of replaced files. */
const LATER_MS = 3 * 3_600_000;

let pintail: PintailProcess;
beforeAll(async () => {
  pintail = await PintailProcess.start({ extraYaml: YAML });
}, 60_000);
afterAll(() => pintail.remove());

const idOf = (n: number): string => n.toString(16).padStart(32, "a");

/** A trace of two spans; those to be redacted name the secret in values, keys, events and resources. */
function spansOf(n: number): SpanInit[] {
  const isSecret = REDACTED.includes(n);
  const start = BigInt(START_MS + n * 1000) * 1_000_000n;
  return [1, 2].map((id) =>
    aSpan({
      traceId: hex(idOf(n)),
      spanId: hex(id.toString(16).padStart(16, "0")),
      ...(id === 1 ? {} : { parentSpanId: hex("0000000000000001") }),
      name: isSecret ? `pay ${SECRET}` : `pay ${n}`,
      kind: id === 1 ? 2 : 3,
      startTimeUnixNano: start,
      endTimeUnixNano: start + 5_000_000n,
      attributes: [
        attribute("tenant.id", isSecret ? "acme" : "other"),
        attribute("card", isSecret ? SECRET : `open-${n}`),
        ...(isSecret ? [attribute(`key.${SECRET}`, 1)] : []),
      ],
      events: isSecret ? [{ name: "seen", attributes: [attribute("what", SECRET)] }] : [],
    }),
  );
}

async function push(n: number, spans: SpanInit[] = spansOf(n)): Promise<void> {
  const service = REDACTED.includes(n) ? `vault-${SECRET}` : "shop";
  const body = encodeRequest({
    resourceSpans: [
      {
        resource: { attributes: [attribute("service.name", service)] },
        scopeSpans: [{ spans }],
      },
    ],
  });
  expect((await pintail.push(body)).status).toBe(200);
}

/** Leaves a record in the log that is in no segment. */
async function pushRefused(): Promise<void> {
  expect((await pintail.push(new Uint8Array([0xff, 0xff, 0xff]))).status).toBe(400);
}

/** Everything that the read paths tell of the redacted traces and their values. */
async function answers(): Promise<Record<string, string>> {
  const range = `start=${Math.floor(START_MS / 1000) - 60}&end=${Math.floor(START_MS / 1000) + 600}`;
  const text = async (path: string): Promise<string> => await (await pintail.get(path)).text();
  const q = (query: string): string => encodeURIComponent(query);
  const paths = {
    search: `/api/search?q=${q("{} | select(span.card, resource.service.name)")}&limit=100`,
    legacy: `/api/search?tags=${q(`card=${SECRET}`)}&limit=100`,
    structure: `/api/search?q=${q("{ kind = server } > { kind = client } | select(span.card)")}&limit=100`,
    trace: `/api/traces/${idOf(REDACTED[0]!)}`,
    "trace v2": `/api/v2/traces/${idOf(REDACTED[0]!)}`,
    tags: "/api/search/tags",
    "tags v2": "/api/v2/search/tags",
    values: "/api/search/tag/card/values",
    "values v2": "/api/v2/search/tag/span.card/values",
    services: "/api/v2/search/tag/resource.service.name/values",
    "values with a filter": `/api/v2/search/tag/span.card/values?q=${q("{ kind = server }")}`,
    metrics: `/api/metrics/query_range?q=${q("{} | count_over_time() by (span.card)")}&${range}&step=60`,
    instant: `/api/metrics/query?q=${q("{} | rate() by (resource.service.name)")}&${range}`,
    compare: `/api/metrics/query_range?q=${q("{} | compare({ kind = server }, 100)")}&${range}&step=60`,
    export: `/api/export?q=${q("{}")}`,
    "jaeger services": "/jaeger/api/services",
    "jaeger traces": `/jaeger/api/traces?service=${q(`vault-${SECRET}`)}&limit=20&lookback=1h&start=${(START_MS - 60_000) * 1000}&end=${(START_MS + 600_000) * 1000}`,
    "jaeger trace": `/jaeger/api/traces/${idOf(REDACTED[1]!)}`,
    "zipkin services": "/zipkin/api/v2/services",
    "zipkin trace": `/zipkin/api/v2/trace/${idOf(REDACTED[2]!)}`,
  };
  const found: Record<string, string> = {};
  for (const [name, path] of Object.entries(paths)) found[name] = await text(path);
  const sql = await fetch(`${pintail.url}/api/sql`, {
    method: "POST",
    headers: { accept: "text/csv" },
    body: "SELECT trace_id_hex, name, service_name, span_attributes, events FROM spans",
  });
  found.sql = await sql.text();
  return found;
}

const redact = (args: readonly string[]) =>
  run(process.execPath, [
    ...[LAUNCHER, "redact", ...args],
    ...["--url", pintail.url, `-config.file=${join(pintail.dir, "tempo.yaml")}`],
  ]);

async function statusOf(id: string): Promise<RedactionStatus> {
  return JSON.parse((await redact(["status", id, "--json"])).stdout) as RedactionStatus;
}

async function restart(shiftMs = 0, meanwhile = () => {}): Promise<void> {
  const { dir } = pintail;
  await pintail.stop();
  meanwhile();
  pintail = await PintailProcess.start({
    dir,
    extraYaml: YAML,
    runtime: [process.execPath, "--import", SHIFTED],
    env: { PINTAIL_TEST_CLOCK_SHIFT_MS: String(shiftMs) },
  });
}

const withSecret = (found: Record<string, string>): string[] =>
  Object.keys(found).filter((name) => found[name]!.includes(SECRET));

let redaction = "";

test("every way to read tells of the traces before", async () => {
  for (let n = 1; n <= TRACES; n++) await push(n);
  // Some of it is in merged segments, some in those that were just cut.
  await eventually(
    "L1",
    async () => files(".parquet").length,
    (count) => count > 0,
  );
  await new Promise((done) => setTimeout(done, 3000));
  await push(REDACTED[0]!, spansOf(REDACTED[0]!).slice(0, 1));
  const found = await answers();
  expect(withSecret(found)).toEqual(Object.keys(found));
}, 60_000);

test("only an admin may redact, and the token is for the server's owner alone", async () => {
  const post = (headers: Record<string, string>, body: string) =>
    fetch(`${pintail.url}/api/redactions`, { method: "POST", headers, body });
  const body = JSON.stringify({ query: "{}", dryRun: false });
  for (const headers of [{}, { authorization: "Bearer x" }, { authorization: "Basic eDp4" }]) {
    const response = await post(headers as Record<string, string>, body);
    expect(response.status).toBe(403);
    expect(await response.text()).toContain("pintail.admin.token");
  }
  expect((await pintail.get("/api/redactions")).status).toBe(403);
  const [path] = files("admin-token");
  expect(statSync(path!).mode & 0o777).toBe(0o600);
  const authorization = `Bearer ${readFileSync(path!, "utf8").trim()}`;
  for (const [wrong, status] of [
    ["nothing", 400],
    ["[]", 400],
    ["{}", 400],
    [JSON.stringify({ query: "{}" }), 400],
    [JSON.stringify({ query: "{", dryRun: true }), 400],
    [JSON.stringify({ query: "{} | rate()", dryRun: true }), 400],
    [JSON.stringify({ query: "{}", dryRun: true, strat: 1 }), 400],
    [JSON.stringify({ query: "{}", dryRun: true, start: "soon" }), 400],
    [JSON.stringify({ query: "{}", dryRun: true, start: 20, end: 10 }), 400],
  ] as const) {
    expect([wrong, (await post({ authorization }, wrong)).status]).toEqual([wrong, status]);
  }
  expect((await pintail.get("/api/redactions/x", { authorization })).status).toBe(404);
});

test("a dry run says what would go and changes nothing", async () => {
  const { stdout } = await redact([`{ span.tenant.id = "acme" }`, "--dry-run"]);
  expect(stdout).toMatch(/traces that match +3\n/);
  expect(stdout).toMatch(/their spans +6\n/);
  expect(stdout).toContain(idOf(9));
  expect(withSecret(await answers()).length).toBeGreaterThan(10);
  expect((await redact(["status"])).stdout).toBe("nothing was redacted\n");
}, 60_000);

test("from the moment it is applied no way to read tells of them", async () => {
  const { stdout } = await redact([
    ...[`{ span.tenant.id = "acme" }`, "--apply", "--reason", "card numbers", "--by", "kim"],
  ]);
  redaction = /redaction +(\S+)/.exec(stdout)![1]!;
  expect(withSecret(await answers())).toEqual([]);
  // So it is with spans that come now.
  await push(REDACTED[1]!, spansOf(REDACTED[1]!).slice(1));
  expect(withSecret(await answers())).toEqual([]);
  const status = await statusOf(redaction);
  expect(status).toMatchObject({
    ...{ query: `{ span.tenant.id = "acme" }`, reason: "card numbers", requestedBy: "kim" },
    ...{ traceCount: 3, spanCount: 6 },
  });
  await pushRefused();
}, 60_000);

test("it goes on after a restart, to the last segment and record", async () => {
  await restart();
  expect(withSecret(await answers())).toEqual([]);
  // The log's last record, with no other behind it.
  await pushRefused();
  const rewritten = () =>
    eventually(
      "segments and log without them",
      () => statusOf(redaction),
      ({ filesDeletedByUnixMs }) => filesDeletedByUnixMs !== undefined,
      60_000,
    );
  const status = await rewritten();
  expect(status).toMatchObject({ state: "hiding", segmentsLeft: 0 });
  expect(status.filesLeft).toBeGreaterThan(0);
  expect(status.removedSpans).toBeGreaterThan(0);
  expect(withSecret(await answers())).toEqual([]);
  expect(files(".wal").filter((path) => readFileSync(path).includes(SECRET))).toEqual([]);
  // The replaced files are still there; some of them were replaced by nothing.
  await restart(0, () => {
    for (const path of files("").filter((name) => name.includes("catalog.duckdb"))) rmSync(path);
  });
  expect(withSecret(await answers())).toEqual([]);
  await rewritten();
  expect(withSecret(await answers())).toEqual([]);
  await restart(LATER_MS);
  await eventually(
    "replaced files to be deleted",
    () => statusOf(redaction),
    ({ state }) => state === "done",
    60_000,
  );
  expect(await storedTraces()).toEqual(
    Array.from({ length: TRACES }, (_, i) => i + 1)
      .filter((n) => !REDACTED.includes(n))
      .map((n) => [idOf(n), 2]),
  );
  expect(files("").filter((path) => readFileSync(path).includes(SECRET))).toEqual([]);
  expect(withSecret(await answers())).toEqual([]);
  expect((await redact(["status", redaction])).stdout).toMatch(/state +done/);
  expect(JSON.stringify(await pintail.json(`/api/v2/traces/${idOf(1)}`))).toContain("open-1");
}, 180_000);

function files(suffix: string): string[] {
  return readdirSync(pintail.dir, { recursive: true, encoding: "utf8" })
    .map((name) => join(pintail.dir, name))
    .filter((path) => path.endsWith(suffix) && statSync(path).isFile());
}

/** Of all segment files, whether a catalog lists them or not: traces and their spans. */
async function storedTraces(): Promise<unknown[]> {
  const database = await openDatabase({
    ...{ memoryLimitBytes: 2 ** 28, tempDir: join(pintail.dir, "t"), threads: 1, maxConcurrent: 1 },
  });
  try {
    const paths = files(".parquet").map((path) => `'${path}'`);
    const rows = await database.rows(
      `SELECT replace(trace_id::VARCHAR, '-', ''), count(*)::INTEGER
        FROM read_parquet([${paths.join(", ")}], union_by_name = true) GROUP BY ALL ORDER BY ALL`,
    );
    return rows;
  } finally {
    await database[Symbol.asyncDispose]();
  }
}
