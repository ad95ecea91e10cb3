import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually, foundIds, metric, spansOf } from "../support/e2e-answers.ts";
import { quarantined, type WalRecordPlace, walFiles, walRecords } from "../support/e2e-wal.ts";
import { aRequest, aSpan, attributes, encodeRequest, hex } from "../support/otlp-builder.ts";
import { PintailProcess } from "../support/pintail-process.ts";
import { seededRandom, testSeed } from "../support/random.ts";

const TRACES = 8;
const SPANS = 3;
const seed = testSeed();
const random = seededRandom(seed);
console.log(`seed ${seed}`);

/** Data of a process that was killed and whose spans are in the WAL and nowhere else. */
let base: string;
let records: WalRecordPlace[];
/** Trace ids in the order of the records. */
let traceIds: string[];

beforeAll(async () => {
  const pintail = await PintailProcess.start();
  base = pintail.dir;
  traceIds = [];
  for (let i = 0; i < TRACES; i++) {
    const traceId = `d${i.toString(16).padStart(31, "0")}`;
    expect((await pintail.push(traceBody(traceId, i))).status).toBe(200);
    traceIds.push(traceId);
  }
  await pintail.kill();
  // On a slow machine a cut came before the kill.
  rmSync(join(base, "blocks"), { recursive: true });
  const files = walFiles(base);
  expect(files.length).toBe(1);
  records = walRecords(files[0]!);
  expect(records.length).toBe(TRACES);
});

afterAll(() => {
  if (base !== undefined) rmSync(base, { recursive: true, force: true });
});

function traceBody(traceId: string, serial: number): Uint8Array<ArrayBuffer> {
  const start = BigInt(Date.now()) * 1_000_000n;
  return encodeRequest(
    aRequest(
      Array.from({ length: SPANS }, (_, i) =>
        aSpan({
          traceId: hex(traceId),
          spanId: hex((i + 1).toString(16).padStart(16, "0")),
          name: `op ${serial}`,
          startTimeUnixNano: start,
          endTimeUnixNano: start + 1000n,
          attributes: attributes({ serial: BigInt(serial), note: "n".repeat(50) }),
        }),
      ),
    ),
  );
}

/** Runs `damage` over a copy of the WAL file, starts on it and hands the process to `check`. */
async function afterDamage(
  damage: (path: string) => void,
  check: (pintail: PintailProcess) => Promise<void>,
  extraYaml = "",
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "pintail-e2e-wal-"));
  cpSync(base, dir, { recursive: true });
  damage(walFiles(dir)[0]!);
  const pintail = await PintailProcess.start({ dir, extraYaml });
  try {
    await check(pintail);
  } finally {
    await pintail.remove();
  }
}

/** The traces whose numbers are not in `lost` are whole, the others are gone as a whole. */
async function expectLost(pintail: PintailProcess, lost: ReadonlySet<number>): Promise<void> {
  const kept = traceIds.filter((_, i) => !lost.has(i));
  for (const [i, traceId] of traceIds.entries()) {
    const spans = await spansOf(pintail, traceId);
    expect(spans.length, `trace ${i}`).toBe(lost.has(i) ? 0 : SPANS);
    expect(spans.every((span) => span.name === `op ${i}`)).toBe(true);
  }
  expect(await foundIds(pintail, "{ span.serial >= 0 }")).toEqual(kept);
}

function flipBit(path: string, from: number, to: number): void {
  const bytes = readFileSync(path);
  const at = from + Math.floor(random() * (to - from));
  const bit = Math.floor(random() * 8);
  console.log(`bit ${bit} of byte ${at}`);
  bytes[at]! ^= 1 << bit;
  writeFileSync(path, bytes);
}

it("brings everything back when nothing is damaged", async () => {
  await afterDamage(
    () => {},
    async (pintail) => {
      await expectLost(pintail, new Set());
      expect(quarantined(pintail.dir)).toEqual([]);
      expect(await metric(pintail, "pintail_wal_quarantined_total")).toBe(0);
    },
  );
});

it.each(["start", "header", "body", "end"] as const)(
  "loses only a last record that was cut off (%s)",
  async (where) => {
    const { start, end } = records.at(-1)!;
    const at = {
      start,
      header: start + 1 + Math.floor(random() * 47),
      body: start + 49 + Math.floor(random() * (end - start - 50)),
      end: end - 1,
    }[where];
    await afterDamage(
      (path) => truncateSync(path, at),
      async (pintail) => {
        await expectLost(pintail, new Set([TRACES - 1]));
        // The place is taken again, and by something else.
        const body = traceBody(traceIds.at(-1)!, TRACES - 1);
        expect((await pintail.push(body)).status).toBe(200);
        await pintail.kill();
        const next = await PintailProcess.start({ dir: pintail.dir });
        try {
          await expectLost(next, new Set());
        } finally {
          await next.kill();
        }
      },
    );
  },
);

it.each(["header", "body"] as const)(
  "keeps a record with a flipped bit aside and all others (%s)",
  async (where) => {
    const victim = Math.floor(random() * (TRACES - 1));
    const { start, end } = records[victim]!;
    let damaged = Buffer.alloc(0);
    const fast = "ingester: { max_block_duration: 1s }\n";
    await afterDamage(
      (path) => {
        const [from, to] = where === "header" ? [start, start + 48] : [start + 48, end];
        flipBit(path, from, to);
        damaged = readFileSync(path).subarray(start, end);
      },
      async (pintail) => {
        await expectLost(pintail, new Set([victim]));
        expect(quarantined(pintail.dir)).toEqual([damaged]);
        expect(await metric(pintail, "pintail_wal_quarantined_total")).toBe(1);
        // The L1 is made from the same damaged file.
        await eventually(
          "L1 built",
          () => metric(pintail, "pintail_segments", 'level="1"'),
          (count) => count > 0,
        );
        await expectLost(pintail, new Set([victim]));
        expect(quarantined(pintail.dir)).toEqual([damaged]);
        expect(await pintail.stop()).toBe(0);
      },
      fast,
    );
  },
);

it("keeps a damaged last record of full length aside", async () => {
  const { start, end } = records.at(-1)!;
  await afterDamage(
    (path) => flipBit(path, start + 48, end),
    async (pintail) => {
      await expectLost(pintail, new Set([TRACES - 1]));
      expect(quarantined(pintail.dir).map((bytes) => bytes.length)).toEqual([end - start]);
    },
  );
});

it("starts on a file with many flipped bits", async () => {
  const hit = new Set<number>();
  await afterDamage(
    (path) => {
      for (let i = 0; i < 4; i++) {
        const victim = Math.floor(random() * (TRACES - 1));
        // Two flips in one record could undo each other.
        if (hit.has(victim)) continue;
        hit.add(victim);
        flipBit(path, records[victim]!.start, records[victim]!.end);
      }
    },
    async (pintail) => {
      await expectLost(pintail, hit);
      const bytes = quarantined(pintail.dir).reduce((sum, each) => sum + each.length, 0);
      const expected = [...hit].reduce((sum, i) => sum + records[i]!.end - records[i]!.start, 0);
      expect(bytes).toBe(expected);
    },
  );
});

it("starts on a file of noise", async () => {
  await afterDamage(
    (path) => {
      const bytes = Buffer.alloc(readFileSync(path).length);
      for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(random() * 256);
      writeFileSync(path, bytes);
    },
    async (pintail) => {
      await expectLost(pintail, new Set(traceIds.keys()));
      expect((await pintail.push(traceBody(traceIds[0]!, 0))).status).toBe(200);
      expect((await spansOf(pintail, traceIds[0]!)).length).toBe(SPANS);
    },
  );
});
