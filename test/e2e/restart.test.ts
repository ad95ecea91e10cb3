import { existsSync, readdirSync, rmSync, statSync, truncateSync, unlinkSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { create, toJson } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { SpanSchema } from "../../gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import {
  eventually,
  foundIds,
  metric,
  normalJson,
  normalTrace,
  resourceSpansOf,
  spansOf,
} from "../support/e2e-answers.ts";
import { hostileSpans } from "../support/e2e-hostile.ts";
import { segmentFiles } from "../support/e2e-wal.ts";
import { aRequest, aSpan, attributes, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import { seededRandom, testSeed } from "../support/random.ts";

const FAST_L1 = "ingester: { max_block_duration: 1s }\n";
const SHIFTED = resolve(import.meta.dirname, "../support/shifted-clock.ts");
const HOUR_MS = 3_600_000;

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

function newTraceId(serial: number): string {
  return serial.toString(16).padStart(32, "f");
}

/** One span with an attribute `serial`, of `start`. */
function simpleBody(serial: number, start = now()): Uint8Array<ArrayBuffer> {
  return encodeRequest(
    aRequest([
      aSpan({
        traceId: hex(newTraceId(serial)),
        startTimeUnixNano: start,
        endTimeUnixNano: start + 1000n,
        attributes: attributes({ serial: BigInt(serial) }),
      }),
    ]),
  );
}

async function push(pintail: PintailProcess, body: Uint8Array<ArrayBuffer>): Promise<void> {
  expect((await pintail.push(body)).status).toBe(200);
}

async function spanCounts(pintail: PintailProcess, serials: readonly number[]): Promise<number[]> {
  const counts: number[] = [];
  for (const n of serials) counts.push((await spansOf(pintail, newTraceId(n))).length);
  return counts;
}

/** Segments per level: `{ 0: 3, 1: 1 }`. */
async function levels(pintail: PintailProcess): Promise<Record<number, number>> {
  const found: Record<number, number> = {};
  for (const level of [0, 1, 2, 3]) {
    const count = await metric(pintail, "pintail_segments", `level="${level}"`);
    if (count > 0) found[level] = count;
  }
  return found;
}

/** Waits until everything pushed so far is in segments of level 1 and above. */
async function untilL1(pintail: PintailProcess): Promise<void> {
  // A query has the head cut, so that nothing is missing from the count.
  await pintail.json("/api/search");
  await eventually(
    "L1 built",
    () => levels(pintail),
    (found) => found[0] === undefined && Object.keys(found).length > 0,
  );
}

it("gives the same answers from L0, after a restart, from L1 and merged", {
  timeout: 180_000,
}, async () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  let pintail = await PintailProcess.start();
  try {
    const traceIds: string[] = [];
    const sent: string[] = [];
    let spanCount = 0;
    const sendSome = async (traces: number): Promise<void> => {
      for (let i = 0; i < traces; i++) {
        const traceId = newTraceId(1000 + traceIds.length);
        const spans = hostileSpans(random, traceId, now());
        traceIds.push(traceId);
        for (const span of spans) {
          const json = toJson(SpanSchema, create(SpanSchema, span)) as Record<string, unknown>;
          // Grafana dereferences the status of every span.
          sent.push(normalJson({ status: {}, ...json }));
        }
        spanCount += spans.length;
        // Some traces come in two requests, and so in two segments when a cut lies between.
        const cut = Math.floor(random() * spans.length);
        for (const part of [spans.slice(0, cut), spans.slice(cut)]) {
          if (part.length > 0) {
            await push(pintail, encodeRequest(aRequest(part, { service: `shop ${i % 3}` })));
          }
        }
      }
    };
    const answers = async (): Promise<Record<string, unknown>> => {
      const all: Record<string, unknown> = {};
      for (const id of traceIds) all[id] = normalTrace(await resourceSpansOf(pintail, id));
      for (const query of [
        "{ true }",
        "{ status = error }",
        "{ kind = server && duration > 1ms }",
        '{ span."key.1" != nil }',
        '{ ."key.2" > 0 }',
        '{ name = "\\"; DROP TABLE x; --" }',
        '{ resource.service.name = "shop 1" && span:parentID = "00000000deadbeef" }',
      ]) {
        all[query] = await foundIds(pintail, query, { params: "&limit=1000" });
      }
      const scopes = await pintail.json<{ scopes: { name: string; tags: string[] }[] }>(
        "/api/v2/search/tags",
      );
      all.tags = Object.fromEntries(
        scopes.scopes.map(({ name, tags }) => [name, [...tags].sort()]),
      );
      for (const tag of ["span.key.3", "resource.service.name", "name"]) {
        const values = await pintail.json<{ tagValues: unknown[] }>(
          `/api/v2/search/tag/${encodeURIComponent(tag)}/values`,
        );
        all[`values of ${tag}`] = values.tagValues.map((v) => JSON.stringify(v)).sort();
      }
      return all;
    };

    await sendSome(15);
    const first = await answers();
    const read = (await Promise.all(traceIds.map((id) => spansOf(pintail, id)))).flat();
    expect(read.map(normalJson).sort()).toEqual(sent.sort());
    expect(traceIds.flatMap((id) => first[id] as string[]).length).toBe(spanCount);
    expect((first["{ true }"] as string[]).length).toBe(traceIds.length);
    expect(await pintail.stop()).toBe(0);

    pintail = await PintailProcess.start({ dir: pintail.dir, extraYaml: FAST_L1 });
    expect(await answers()).toEqual(first);
    await untilL1(pintail);
    expect(await answers()).toEqual(first);

    // Six small L1 of the same hour are worth a merge.
    for (let i = 0; i < 6; i++) {
      await sendSome(2);
      await untilL1(pintail);
    }
    const before = await answers();
    expect(traceIds.flatMap((id) => before[id] as string[]).length).toBe(spanCount);
    await eventually(
      "merged",
      () => levels(pintail),
      (found) => (found[2] ?? 0) > 0,
    );
    expect(await answers()).toEqual(before);
    expect(await metric(pintail, "tempodb_compaction_errors_total")).toBe(0);
    expect(await pintail.stop()).toBe(0);

    // Without the catalog, from the files alone.
    rmSync(catalogFile(pintail.dir));
    pintail = await PintailProcess.start({ dir: pintail.dir });
    expect(await answers()).toEqual(before);
  } finally {
    await pintail.remove();
  }
});

function catalogFile(dir: string): string {
  const file = join(dir, "blocks", "@pintail", "catalog.duckdb");
  expect(existsSync(file)).toBe(true);
  return file;
}

it("rebuilds a lost or broken catalog from segments of all levels", {
  timeout: 120_000,
}, async () => {
  let pintail = await PintailProcess.start({ extraYaml: FAST_L1 });
  try {
    await push(pintail, simpleBody(1));
    await untilL1(pintail);
    expect(await pintail.stop()).toBe(0);
    pintail = await PintailProcess.start({ dir: pintail.dir });
    await push(pintail, simpleBody(2));
    expect(await spanCounts(pintail, [1, 2])).toEqual([1, 1]);
    await push(pintail, simpleBody(3));
    // The third is in the write-ahead log, or in a cut; both must do.
    await pintail.kill();
    rmSync(catalogFile(pintail.dir));
    pintail = await PintailProcess.start({ dir: pintail.dir });
    expect(await spanCounts(pintail, [1, 2, 3])).toEqual([1, 1, 1]);
    expect(await foundIds(pintail, "{ span.serial > 0 }")).toEqual([1, 2, 3].map(newTraceId));
    await push(pintail, simpleBody(4));
    await pintail.kill();
    truncateSync(catalogFile(pintail.dir), 5000);
    rmSync(`${catalogFile(pintail.dir)}.wal`, { force: true });
    pintail = await PintailProcess.start({ dir: pintail.dir, extraYaml: FAST_L1 });
    expect(await spanCounts(pintail, [1, 2, 3, 4])).toEqual([1, 1, 1, 1]);
    await untilL1(pintail);
    expect(await spanCounts(pintail, [1, 2, 3, 4])).toEqual([1, 1, 1, 1]);
  } finally {
    await pintail.remove();
  }
});

it("makes a lost or damaged L0 segment again from the write-ahead log", {
  timeout: 120_000,
}, async () => {
  let pintail = await PintailProcess.start();
  try {
    for (const n of [1, 2, 3]) {
      await push(pintail, simpleBody(n));
      // Each query cuts, so there is a segment for each.
      expect(await spanCounts(pintail, [n])).toEqual([1]);
    }
    const serials = [1, 2, 3];
    for (const damage of ["delete one", "cut one short", "delete all"]) {
      await pintail.kill();
      const files = segmentFiles(pintail.dir);
      expect(files.length).toBeGreaterThan(0);
      if (damage === "delete one") unlinkSync(files.at(-1)!);
      if (damage === "cut one short") {
        truncateSync(files[0]!, statSync(files[0]!).size - 10);
      }
      if (damage === "delete all") for (const file of files) unlinkSync(file);
      pintail = await PintailProcess.start({ dir: pintail.dir });
      expect(await spanCounts(pintail, serials), damage).toEqual(serials.map(() => 1));
      const next = serials.length + 1;
      serials.push(next);
      await push(pintail, simpleBody(next));
      expect(await foundIds(pintail, "{ span.serial > 0 }"), damage).toEqual(
        serials.map(newTraceId),
      );
    }
    expect(await pintail.stop()).toBe(0);
  } finally {
    await pintail.remove();
  }
});

it("drops what is older than the retention, then its files", { timeout: 120_000 }, async () => {
  const extraYaml = `${FAST_L1}compactor: { compaction: { block_retention: 1h, compacted_block_retention: 1m } }\n`;
  const ahead = (ms: number) => ({
    extraYaml,
    runtime: [process.execPath, "--import", SHIFTED],
    env: { PINTAIL_TEST_CLOCK_SHIFT_MS: String(ms) },
  });
  let pintail = await PintailProcess.start({ extraYaml });
  try {
    await push(pintail, simpleBody(1));
    await untilL1(pintail);
    expect(await pintail.stop()).toBe(0);
    const old = segmentFiles(pintail.dir);
    expect(old.length).toBeGreaterThan(0);

    pintail = await PintailProcess.start({ dir: pintail.dir, ...ahead(2 * HOUR_MS) });
    const young = now() + BigInt(2 * HOUR_MS) * 1_000_000n;
    await push(pintail, simpleBody(2, young));
    await eventually(
      "the old segment dropped",
      () => metric(pintail, "tempodb_retention_marked_for_deletion_total"),
      (count) => count === 1,
    );
    expect(await spanCounts(pintail, [1, 2])).toEqual([0, 1]);
    expect(await foundIds(pintail, "{ span.serial > 0 }")).toEqual([newTraceId(2)]);
    expect(await pintail.stop()).toBe(0);
    // A query that began before may still read it.
    expect(segmentFiles(pintail.dir)).toEqual(expect.arrayContaining(old.slice(-1)));

    pintail = await PintailProcess.start({ dir: pintail.dir, ...ahead(2.5 * HOUR_MS) });
    await eventually(
      "its file deleted",
      async () => segmentFiles(pintail.dir).filter((path) => old.includes(path)),
      (left) => left.length === 0,
    );
    expect(await spanCounts(pintail, [1, 2])).toEqual([0, 1]);
  } finally {
    await pintail.remove();
  }
});

it("removes what an SQL query spilled that the process did not outlive", {
  timeout: 120_000,
}, async () => {
  const folders = (pintail: PintailProcess): string[] =>
    readdirSync(pintail.dir, { recursive: true, encoding: "utf8" }).filter((path) =>
      basename(path).startsWith("sql-"),
    );
  let pintail = await PintailProcess.start();
  try {
    const endless = "select count(*) from range(1000000) a, range(1000000) b";
    const cut = fetch(`${pintail.url}/api/sql`, { method: "POST", body: endless }).then(
      () => "answered",
      () => "cut off",
    );
    const running = await eventually(
      "the query's folder made",
      async () => folders(pintail),
      (found) => found.length === 1,
    );
    await pintail.kill();
    expect(await cut).toBe("cut off");
    expect(folders(pintail)).toEqual(running);
    pintail = await PintailProcess.start({ dir: pintail.dir });
    expect(folders(pintail)).toEqual([]);
    expect(await pintail.stop()).toBe(0);
  } finally {
    await pintail.remove();
  }
});

it("lets only one process have a data folder", { timeout: 120_000 }, async () => {
  const pintail = await PintailProcess.start();
  try {
    await push(pintail, simpleBody(1));
    await expect(PintailProcess.start({ dir: pintail.dir })).rejects.toThrow(
      /exit code 1[\s\S]*(another|other|in use|locked)/i,
    );
    expect(await spanCounts(pintail, [1])).toEqual([1]);
    expect(await pintail.stop()).toBe(0);
  } finally {
    await pintail.remove();
  }
});

it("answers what is under way and keeps it when it is told to stop", {
  timeout: 120_000,
}, async () => {
  let pintail = await PintailProcess.start();
  try {
    const acknowledged: number[] = [];
    let running = true;
    const senders = Array.from({ length: 3 }, async (_, sender) => {
      for (let n = sender + 1; running; n += 3) {
        try {
          if ((await pintail.push(simpleBody(n))).status === 200) acknowledged.push(n);
        } catch {
          // The door is closed.
          return;
        }
      }
    });
    await eventually(
      "some pushes",
      async () => acknowledged.length,
      (count) => count > 20,
    );
    const code = await pintail.stop();
    running = false;
    await Promise.all(senders);
    expect(code).toBe(0);
    pintail = await PintailProcess.start({ dir: pintail.dir });
    const found = await foundIds(pintail, "{ span.serial > 0 }", { params: "&limit=100000" });
    expect(found).toEqual(expect.arrayContaining(acknowledged.map(newTraceId)));
    // A sender that saw the door close need not have been told of its last one.
    expect(found.length).toBeLessThanOrEqual(acknowledged.length + 3);
    expect(readdirSync(join(pintail.dir, "wal")).includes("quarantine")).toBe(false);
  } finally {
    await pintail.remove();
  }
});
