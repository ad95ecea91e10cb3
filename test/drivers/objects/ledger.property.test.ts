import { expect, test } from "vitest";
import type { ObjectStore } from "../../../src/drivers/objects/object-store.ts";
import { isPintailError } from "../../../src/errors.ts";
import {
  ALL_OBJECT_FAULTS,
  type ObjectFault,
  type ObjectFaults,
} from "../../support/object-faults.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { someBytes } from "./contract.ts";
import { openGcsFakeStore, openS3FakeStore, TEST_PART_BYTES } from "./open-stores.ts";

const signal = new AbortController().signal;
const WORKERS = 4;
const KEYS_OF_WORKER = 4;
const STEPS_OF_WORKER = 40;
const FAULT_SHARE = 0.2;

type Ledger = {
  /** What is under each key, by what its calls said. */
  readonly objects: Map<string, { readonly bytes: Uint8Array; readonly version: string }>;
  /** Objects that calls said were stored, by key. */
  readonly stored: Map<string, number>;
  /** Calls that failed and were made again. */
  failures: number;
};

/** Calls until it works: a call may fail under faults, but only as `unavailable`. */
async function untilDone<T>(ledger: Ledger, call: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await call();
    } catch (e) {
      if (!isPintailError(e, "unavailable") || i > 20) throw e;
      ledger.failures++;
    }
  }
}

async function work(store: ObjectStore, ledger: Ledger, worker: number, seed: number) {
  const random = seededRandom(seed + worker);
  const pick = (count: number) => Math.floor(random() * count);
  for (let step = 0; step < STEPS_OF_WORKER; step++) {
    const key = `w${worker}/k${pick(KEYS_OF_WORKER)}`;
    const known = ledger.objects.get(key);
    const kind = pick(6);
    if (kind <= 1) {
      const inParts = pick(4) === 0;
      const size = inParts ? TEST_PART_BYTES + pick(2 * TEST_PART_BYTES) : pick(5000);
      const bytes = someBytes(size, pick(1e9) + 1);
      const before = ledger.failures;
      const result = await untilDone(ledger, () =>
        store.put(key, bytes, { ifAbsent: true, signal }),
      );
      if (known !== undefined) {
        expect(result.outcome).toBe("exists");
        expect(result.info.version).toBe(known.version);
        continue;
      }
      // After a failed call an earlier try of ours may be what exists.
      if (before === ledger.failures) expect(result.outcome).toBe("stored");
      expect(result.info.sizeBytes).toBe(size);
      ledger.objects.set(key, { bytes, version: result.info.version });
      ledger.stored.set(key, (ledger.stored.get(key) ?? 0) + 1);
    } else if (kind === 2) {
      await untilDone(ledger, () => store.delete(key, { signal }));
      ledger.objects.delete(key);
    } else if (known === undefined) {
      const read = untilDone(ledger, () => store.get(key, { maxBytes: 1e6, signal }));
      await expect(read).rejects.toMatchObject({ kind: "not_found" });
    } else if (kind === 3 || known.bytes.length < 2) {
      const options = { maxBytes: 1e6, version: known.version, mustExist: true, signal };
      const { bytes } = await untilDone(ledger, () => store.get(key, options));
      expect(Buffer.compare(bytes, known.bytes)).toBe(0);
    } else {
      const ranges = Array.from({ length: 1 + pick(4) }, () => {
        const start = pick(known.bytes.length - 1);
        return { start, end: start + 1 + pick(known.bytes.length - start - 1) };
      });
      const options = {
        version: known.version,
        sizeBytes: known.bytes.length,
        mustExist: true,
        signal,
      };
      const { parts } = await untilDone(ledger, () => store.getRanges(key, ranges, options));
      ranges.forEach(({ start, end }, i) => {
        expect(Buffer.compare(parts[i]!, known.bytes.subarray(start, end))).toBe(0);
      });
    }
  }
}

async function check(store: ObjectStore, ledger: Ledger, stored: Map<string, number>) {
  const listed: string[] = [];
  let page: string | undefined;
  do {
    const found = await store.list({ prefix: "", maxKeys: 3, page, signal });
    for (const { key, sizeBytes, version } of found.objects) {
      expect({ sizeBytes, version }).toEqual({
        sizeBytes: ledger.objects.get(key)?.bytes.length,
        version: ledger.objects.get(key)?.version,
      });
      listed.push(key);
    }
    page = found.nextPage;
  } while (page !== undefined);
  expect(listed).toEqual([...ledger.objects.keys()].sort());
  for (const [key, { bytes }] of ledger.objects) {
    const read = await store.get(key, { maxBytes: 1e6, signal });
    expect(Buffer.compare(read.bytes, bytes)).toBe(0);
  }
  // Deno repeats requests by itself when a connection ends without an answer.
  if (ledger.failures > 0 || "Deno" in globalThis) return;
  const byKey = [...stored].map(([key, count]) => [key.replace("a/prefix/", ""), count] as const);
  expect(new Map(byKey)).toEqual(ledger.stored);
}

type Opened = {
  readonly store: ObjectStore;
  readonly fake: { readonly faults: ObjectFaults; readonly stored: Map<string, number> };
  close(): Promise<void>;
};

const without = (...faults: readonly ObjectFault[]) =>
  ALL_OBJECT_FAULTS.filter((fault) => !faults.includes(fault));

const CASES: readonly (readonly [
  string,
  readonly ObjectFault[],
  (seed: number) => Promise<Opened>,
])[] = [
  ["S3", ALL_OBJECT_FAULTS, (seed) => openS3FakeStore({ seed })],
  // Without conditions a look that finds nothing late is all there is to go by.
  [
    "S3 without conditional writes",
    without("late_404"),
    (seed) => openS3FakeStore({ seed, conditions: "refused" }),
  ],
  ["GCS", ALL_OBJECT_FAULTS, (seed) => openGcsFakeStore({ seed })],
];

for (const [name, kinds, open] of CASES) {
  test(`${name}: under faults the store ends as the ledger says, each object stored once`, async () => {
    const seed = testSeed();
    console.log(`seed ${seed} (PINTAIL_TEST_SEED)`);
    const { store, fake, close } = await open(seed);
    const ledger: Ledger = { objects: new Map(), stored: new Map(), failures: 0 };
    fake.faults.share = FAULT_SHARE;
    fake.faults.kinds = kinds;
    try {
      const workers = Array.from({ length: WORKERS }, (_, i) => work(store, ledger, i, seed));
      await Promise.all(workers);
      fake.faults.share = 0;
      await check(store, ledger, fake.stored);
      expect([...fake.faults.counts.values()].reduce((a, b) => a + b, 0)).toBeGreaterThan(10);
    } finally {
      await close();
    }
  });
}
