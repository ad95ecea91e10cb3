import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { REDACTIONS_KEY } from "../../src/storage/bucket/object-keys.ts";
import type { RedactionStatus } from "../../src/storage/redaction/redactions.ts";
import { eventually, metric } from "../support/e2e-answers.ts";
import { inBucket, ownerFellSilent } from "../support/e2e-bucket.ts";
import { aRequest, aSpan, attribute, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess, type StartOptions } from "../support/pintail-process.ts";
import { type S3Fake, startS3Fake } from "../support/s3-fake.ts";

const SECRET = "s3cret-77c0";
const TOKEN = "a-token-of-this-test";
const SHIFTED = fileURLToPath(new URL("../support/shifted-clock.ts", import.meta.url));
/** More than the grace period of replaced files. */
const LATER_MS = 3 * 3_600_000;

let fake: S3Fake;
let pintail: PintailProcess;
beforeAll(async () => {
  fake = await startS3Fake();
  pintail = await start();
}, 60_000);
afterAll(async () => {
  await pintail.remove();
  await fake.close();
});

function start(options: StartOptions = {}): Promise<PintailProcess> {
  const { backend, extraYaml } = inBucket(fake);
  return PintailProcess.start({
    backend,
    extraYaml: `${extraYaml}  admin: { token: ${TOKEN} }\n`,
    ...options,
  });
}

const idOf = (n: number): string => n.toString(16).padStart(32, "d");

async function push(n: number, card: string): Promise<void> {
  const startTimeUnixNano = BigInt(Date.now()) * 1_000_000n;
  const span = aSpan({
    traceId: hex(idOf(n)),
    startTimeUnixNano,
    endTimeUnixNano: startTimeUnixNano + 1000n,
    attributes: [attribute("card", card)],
  });
  expect((await pintail.push(encodeRequest(aRequest([span])))).status).toBe(200);
}

const objectsWith = (text: string): string[] =>
  [...fake.objects].flatMap(([key, { bytes }]) => (Buffer.from(bytes).includes(text) ? [key] : []));

async function redactions(body?: object): Promise<unknown> {
  const response = await fetch(`${pintail.url}/api/redactions`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  expect(response.status).toBeLessThan(300);
  return response.json();
}

async function status(): Promise<RedactionStatus> {
  const answer = (await redactions()) as { redactions: RedactionStatus[] };
  expect(answer.redactions).toHaveLength(1);
  return answer.redactions[0]!;
}

async function answers(): Promise<string> {
  const q = encodeURIComponent("{} | select(span.card)");
  const paths = [
    `/api/search?q=${q}&limit=100`,
    `/api/v2/traces/${idOf(1)}`,
    "/api/v2/search/tag/span.card/values",
    `/api/export?q=${encodeURIComponent("{}")}`,
  ];
  const texts = await Promise.all(paths.map(async (path) => (await pintail.get(path)).text()));
  return texts.join("\n");
}

test("a node that lost its disk goes on hiding and removing what was redacted", async () => {
  // In segments of their own: nothing is left of that of the first when it is rewritten.
  for (const [n, card] of [SECRET, "open"].entries()) {
    await push(n + 1, card);
    await pintail.json("/api/search");
    await eventually(
      "it is in the bucket",
      async () => [...fake.objects.keys()].filter((key) => key.endsWith(".parquet")).length,
      (count) => count > n,
    );
  }
  expect(await answers()).toContain(SECRET);
  const stored = objectsWith(SECRET);
  expect(stored.length).toBeGreaterThan(0);
  await redactions({ query: `{ span.card = "${SECRET}" }`, dryRun: false });
  expect(objectsWith(idOf(1))).toContain(REDACTIONS_KEY);
  await pintail.remove();

  ownerFellSilent(fake);
  pintail = await start();
  expect(objectsWith(SECRET)).toEqual(expect.arrayContaining(stored));
  expect(await status()).toMatchObject({ state: "hiding", traceCount: 1 });
  const found = await answers();
  expect(found).toContain("open");
  expect(found).not.toContain(SECRET);
  await eventually(
    "segments and log without it",
    status,
    ({ filesDeletedByUnixMs }) => filesDeletedByUnixMs !== undefined,
    60_000,
  );

  const { dir } = pintail;
  await pintail.stop();
  pintail = await start({
    dir,
    runtime: [process.execPath, "--import", SHIFTED],
    env: { PINTAIL_TEST_CLOCK_SHIFT_MS: String(LATER_MS) },
  });
  await eventually("all of it gone", status, ({ state }) => state === "done", 60_000);
  const withQuery = objectsWith(SECRET).filter((key) => key !== REDACTIONS_KEY);
  expect(withQuery).toEqual([]);
  expect(objectsWith(idOf(1))).toEqual([]);
  const left = await answers();
  expect(left).toContain("open");
  expect(left).not.toContain(SECRET);
  expect(await metric(pintail, "pintail_segments")).toBeGreaterThan(0);
}, 180_000);

test("a redaction that the bucket cannot keep is refused and hides nothing", async () => {
  await push(3, "other");
  await fake.close();
  const response = await fetch(`${pintail.url}/api/redactions`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ query: `{ span.card = "other" }`, dryRun: false }),
  });
  expect(response.status).toBe(503);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await answers()).toContain("other");
}, 60_000);
