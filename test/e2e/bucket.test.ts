import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { catalogCommand } from "../../src/cli/catalog-command.ts";
import { OWNER_KEY } from "../../src/storage/bucket/object-keys.ts";
import { eventually, foundIds, metric, spansOf } from "../support/e2e-answers.ts";
import { inBucket, knowsBuckets, ownerFellSilent } from "../support/e2e-bucket.ts";
import { aRequest, aSpan, attributes, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess, type StartOptions } from "../support/pintail-process.ts";
import { seededRandom, testSeed } from "../support/random.ts";
import { type S3Fake, startS3Fake } from "../support/s3-fake.ts";

const NO_MERGES = "overrides: { defaults: { compaction: { compaction_disabled: true } } }\n";

const isReady = knowsBuckets();
if (!isReady) console.log("skipped: the settings file cannot name a bucket");

describe.skipIf(!isReady)("segments in a bucket", () => {
  let fake: S3Fake;
  const running: PintailProcess[] = [];
  let serial = 0;
  let acknowledged: string[] = [];

  beforeEach(async () => {
    fake = await startS3Fake();
    acknowledged = [];
  });

  afterEach(async () => {
    for (const pintail of running.splice(0)) await pintail.remove();
    await fake.close();
  });

  async function start(
    options: StartOptions & { readonly maxSpillBytes?: number } = {},
  ): Promise<PintailProcess> {
    const { maxSpillBytes, ...others } = options;
    const spill = maxSpillBytes === undefined ? {} : { maxSpillBytes };
    const pintail = await PintailProcess.start({ ...inBucket(fake, spill), ...others });
    running.push(pintail);
    return pintail;
  }

  /** One trace of `spans` spans; remembers it when it was acknowledged. */
  async function push(pintail: PintailProcess, spans = 3, kilobytes = 0): Promise<Response> {
    const traceId = (++serial).toString(16).padStart(32, "c");
    const start = BigInt(Date.now()) * 1_000_000n;
    const noise = Array.from({ length: kilobytes }, (_, i) => [
      `k${i}`,
      Buffer.from(crypto.getRandomValues(new Uint8Array(750))).toString("base64"),
    ]);
    const body = encodeRequest(
      aRequest(
        Array.from({ length: spans }, (_, i) =>
          aSpan({
            traceId: hex(traceId),
            spanId: hex((serial * 1000 + i + 1).toString(16).padStart(16, "0")),
            name: `step ${i}`,
            startTimeUnixNano: start,
            endTimeUnixNano: start + 1000n,
            attributes: attributes({ serial: BigInt(serial), ...Object.fromEntries(noise) }),
          }),
        ),
      ),
    );
    const response = await pintail.push(body);
    if (response.status === 200) acknowledged.push(traceId);
    return response;
  }

  /** `byNow`: maybe all was uploaded before this process started. */
  async function untilUploaded(pintail: PintailProcess, { byNow = false } = {}): Promise<void> {
    // A query has the head cut, so that nothing is missing from the count.
    await pintail.json("/api/search");
    await eventually(
      "everything is in the bucket",
      async () => ({
        l0: await metric(pintail, "pintail_segments", 'level="0"'),
        waiting: await metric(pintail, "pintail_bucket_backlog_segments"),
        uploads: await metric(pintail, "pintail_bucket_uploads_total"),
      }),
      ({ l0, waiting, uploads }) => l0 === 0 && waiting === 0 && (byNow || uploads > 0),
    );
  }

  async function checkLedger(pintail: PintailProcess, spans = 3): Promise<void> {
    for (const id of acknowledged) expect((await spansOf(pintail, id)).length, id).toBe(spans);
    const found = await foundIds(pintail, "{ span.serial >= 0 }", { params: "&limit=1000" });
    expect(found).toEqual([...acknowledged].sort());
  }

  const lists = () => fake.requests.filter((line) => line.includes("list-type=2")).length;
  const keys = () => [...fake.objects.keys()].filter((key) => key.endsWith(".parquet"));

  it("finds everything after a start on an empty data folder", { timeout: 120_000 }, async () => {
    let pintail = await start();
    const firstLists = lists();
    for (let i = 0; i < 5; i++) expect((await push(pintail)).status).toBe(200);
    await untilUploaded(pintail);
    await checkLedger(pintail);
    expect(
      keys().every((key) => /^segments\/single-tenant\/[0-9A-Z]{26}\.parquet$/.test(key)),
    ).toBe(true);
    // With a catalog nothing is listed: not for ingest, uploads, queries, nor at a start.
    expect(await pintail.stop()).toBe(0);
    pintail = await start({ dir: pintail.dir });
    expect((await push(pintail)).status).toBe(200);
    await untilUploaded(pintail);
    await checkLedger(pintail);
    expect(lists()).toBe(firstLists);
    await pintail.kill();

    // It was alive a moment ago: a node with this bucket by mistake must not have it.
    await expect(start()).rejects.toThrow(/which was alive .*'pintail catalog rebuild'/);
    ownerFellSilent(fake);
    const fresh = await start();
    expect(fresh.output).toContain("catalog rebuilt from the segments");
    expect(fresh.output).toContain("takes it over");
    await checkLedger(fresh);
    // It goes on where the other one ended: what is new is found beside what is old.
    for (let i = 0; i < 3; i++) expect((await push(fresh)).status).toBe(200);
    await untilUploaded(fresh);
    await checkLedger(fresh);

    // The first one has lost the bucket, and says so instead of starting.
    await expect(start({ dir: pintail.dir })).rejects.toThrow(/belongs to another Pintail/);
  });

  it("pushes back before anything is lost while the bucket is away, and catches up", {
    timeout: 120_000,
  }, async () => {
    const pintail = await start({ maxSpillBytes: 400_000 });
    expect((await push(pintail, 1)).status).toBe(200);
    await untilUploaded(pintail);
    fake.faults.share = 1;
    fake.faults.kinds = ["status_503"];
    let refusal: Response | undefined;
    for (let i = 0; i < 400 && refusal === undefined; i++) {
      const response = await push(pintail, 1, 20);
      if (response.status !== 200) refusal = response;
      await new Promise((done) => setTimeout(done, 50));
    }
    expect(refusal?.status).toBe(503);
    expect(Number(refusal?.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await pintail.get("/ready")).status).toBe(200);
    await eventually(
      "the bucket counts as away",
      () => metric(pintail, "pintail_bucket_reachable"),
      (reachable) => reachable === 0,
    );
    expect(await metric(pintail, "pintail_bucket_refused_pushes_total")).toBeGreaterThan(0);
    expect(pintail.output.split("the bucket is away").length).toBe(2);
    const waiting = await foundIds(pintail, "{ span.k1 != nil }", { params: "&limit=1000" });
    expect(waiting.length).toBe(acknowledged.length - 1);

    fake.faults.share = 0;
    await eventually(
      "a push succeeds again",
      async () => (await push(pintail, 1)).status,
      (status) => status === 200,
      60_000,
    );
    await untilUploaded(pintail);
    await checkLedger(pintail, 1);
    expect(await metric(pintail, "pintail_bucket_refusing_pushes")).toBe(0);
  });

  it("starts and takes spans although the bucket is away", { timeout: 120_000 }, async () => {
    let pintail = await start();
    for (let i = 0; i < 3; i++) expect((await push(pintail)).status).toBe(200);
    await pintail.json("/api/search");
    expect(await pintail.stop()).toBe(0);
    fake.faults.share = 1;
    fake.faults.kinds = ["reset"];
    pintail = await start({ dir: pintail.dir });
    expect((await push(pintail)).status).toBe(200);
    expect((await spansOf(pintail, acknowledged.at(-1)!)).length).toBe(3);
    fake.faults.share = 0;
    await untilUploaded(pintail);
    await checkLedger(pintail);
    // Without a catalog it does need the bucket.
    fake.faults.share = 1;
    await expect(start()).rejects.toThrow(/cannot read s3:/);
  });

  it("loses and doubles nothing when it is killed again and again while it uploads", {
    timeout: 180_000,
  }, async () => {
    const seed = testSeed();
    console.log(`seed ${seed} (PINTAIL_TEST_SEED)`);
    const random = seededRandom(seed);
    fake.faults.share = 0.2;
    fake.faults.kinds = ["lost_response", "done_500", "status_503", "reset", "late_404"];
    let pintail = await start();
    for (let round = 0; round < 6; round++) {
      for (let i = 0; i < 3; i++) expect((await push(pintail)).status).toBe(200);
      await pintail.json("/api/search");
      await new Promise((done) => setTimeout(done, 1000 + 2500 * random()));
      await pintail.kill();
      pintail = await start({ dir: pintail.dir });
    }
    fake.faults.share = 0;
    await untilUploaded(pintail, { byNow: true });
    await checkLedger(pintail);
    const stored = () => metric(pintail, "tempodb_backend_objects_total");
    expect(await stored()).toBe(3 * acknowledged.length);
    await pintail.kill();
    ownerFellSilent(fake);
    pintail = await start();
    expect(await stored()).toBe(3 * acknowledged.length);
    await checkLedger(pintail);
  });

  it("merges small segments that only the bucket has", { timeout: 120_000 }, async () => {
    const first = await start({ extraYaml: `${inBucket(fake).extraYaml}${NO_MERGES}` });
    for (let i = 0; i < 7; i++) {
      expect((await push(first)).status).toBe(200);
      await untilUploaded(first);
    }
    expect(keys().length).toBeGreaterThanOrEqual(7);
    await first.kill();
    ownerFellSilent(fake);
    const fresh = await start();
    await eventually(
      "a merged segment is in the bucket",
      async () => ({
        merged: await metric(fresh, "pintail_segments", 'level="2"'),
        waiting: await metric(fresh, "pintail_bucket_backlog_segments"),
      }),
      ({ merged, waiting }) => merged > 0 && waiting === 0,
    );
    expect(await metric(fresh, "tempodb_backend_objects_total")).toBe(3 * acknowledged.length);
    await checkLedger(fresh);
  });

  it("the command rebuilds the catalog of an empty node from the bucket", {
    timeout: 120_000,
  }, async () => {
    const pintail = await start();
    for (let i = 0; i < 3; i++) expect((await push(pintail)).status).toBe(200);
    await untilUploaded(pintail);
    const owner = String(fake.objects.get(OWNER_KEY)?.bytes);
    await pintail.kill();
    const config = path.join(pintail.dir, "tempo.yaml");
    const lines: string[] = [];
    const rebuild = () =>
      catalogCommand(["rebuild", `-config.file=${config}`], (l) => lines.push(l));
    for (const name of fs.readdirSync(pintail.dir)) {
      if (name !== "tempo.yaml") fs.rmSync(path.join(pintail.dir, name), { recursive: true });
    }
    expect(await rebuild()).toBe(0);
    expect(lines.join("\n")).toContain(`has ${keys().length} segments`);
    expect(String(fake.objects.get(OWNER_KEY)?.bytes)).not.toBe(owner);
    await checkLedger(await start({ dir: pintail.dir }));
  });
});
