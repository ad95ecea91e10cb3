import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import type { ObjectStore } from "../../../src/drivers/objects/object-store.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { rebuildCatalog } from "../../../src/storage/catalog/rebuild.ts";
import { readSegmentMeta } from "../../../src/storage/segments/segment-footer.ts";
import { openGcsFakeStore, openS3FakeStore } from "../../drivers/objects/open-stores.ts";
import { MemoryCatalog } from "../../support/memory-catalog.ts";
import { ALL_OBJECT_FAULTS, type ObjectFaults } from "../../support/object-faults.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { temporaryFolder } from "../wal/wal-support.ts";
import { HOUR_MS, setUpBucket, signal } from "./bucket-support.ts";

const STEPS = 150;
const FAULT_SHARE = 0.25;

type Opened = {
  readonly store: ObjectStore;
  readonly fake: { readonly faults: ObjectFaults; readonly objects: ReadonlyMap<string, unknown> };
  close(): Promise<void>;
};

const CASES: readonly (readonly [string, (seed: number) => Promise<Opened>])[] = [
  ["S3", (seed) => openS3FakeStore({ seed })],
  ["GCS", (seed) => openGcsFakeStore({ seed })],
];

const idsOf = (segments: readonly SegmentMeta[]) => segments.map(({ id }) => id).sort();

/** Everything that the bucket can tell, as an empty node would read it. */
async function rebuilt(store: ObjectStore): Promise<SegmentMeta[]> {
  const bad: string[] = [];
  const { segments } = await rebuildCatalog(
    {
      files: nodeFiles(),
      segmentDir: temporaryFolder(),
      readMeta: readSegmentMeta,
      walRange: undefined,
      bucket: {
        store,
        signal,
        readRedactions: async () => [],
        onBadObject: (key) => void bad.push(key),
      },
    },
    { cutTo: 0, releasedTo: 0 },
  );
  const all: SegmentMeta[] = [];
  for await (const batch of segments) all.push(...batch);
  expect(bad).toEqual([]);
  return all;
}

for (const [name, open] of CASES) {
  test(`${name}: under faults, merges, deletions and restarts nothing is lost, doubled or left over`, {
    timeout: 120_000,
  }, async () => {
    const seed = testSeed();
    console.log(`seed ${seed} (PINTAIL_TEST_SEED)`);
    const random = seededRandom(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const { store, fake, close } = await open(seed);
    const dir = temporaryFolder();
    const time = { nowMs: Date.now() };
    const catalog = new MemoryCatalog(() => time.nowMs);
    const start = () => setUpBucket({ store, catalog, dir });
    let bucket = await start();
    const deleteDue = async () => {
      for (const segment of catalog.deletable(0)) {
        if (bucket.remover.isHeld(segment)) continue;
        await bucket.remover.remove(segment).then(
          () => catalog.forget([segment.id]),
          () => {},
        );
      }
    };
    const live = () => [...catalog.segments("acme")];
    /** Spans that every segment must hold together, whatever became of them. */
    let spans = 0;
    fake.faults.share = FAULT_SHARE;
    fake.faults.kinds = ALL_OBJECT_FAULTS;
    try {
      for (let step = 0; step < STEPS; step++) {
        bucket.clock.monotonicMs += 3000;
        const kind = pick(10);
        if (kind < 4) {
          const count = 7 + pick(12);
          await bucket.add(count);
          spans += count;
        } else if (kind === 4 && live().length > 3) {
          const parts = live().slice(0, 3);
          const count = parts.reduce((total, { rowCount }) => total + rowCount, 0);
          await bucket.add(count, { level: 2, replaces: idsOf(parts) });
        } else if (kind === 5 && live().length > 2) {
          const segment = live().at(-1)!;
          await catalog.commit({ remove: [segment.id] });
          spans -= segment.rowCount;
        } else if (kind === 6) {
          await deleteDue();
          await bucket.remover.retryLate();
        } else if (kind === 7 && pick(3) === 0) {
          // A crash: what is under way ends somewhere, and nothing in memory is left.
          bucket.uploader.tick();
          await bucket.uploader.close();
          bucket = await start();
        } else {
          bucket.uploader.tick();
          if (pick(2) === 0) await bucket.uploader.idle();
        }
      }
      fake.faults.share = 0;
      await bucket.uploader.idle();
      bucket.clock.wallMs += HOUR_MS;
      await bucket.upload();
      bucket.clock.monotonicMs += 120_000;
      await deleteDue();
      await bucket.remover.retryLate();
      for (const segment of live()) expect(await bucket.isStored(segment)).toBe(true);
      const found = await rebuilt(store);
      expect(idsOf(found)).toEqual(idsOf(live()));
      expect(found.reduce((total, { rowCount }) => total + rowCount, 0)).toBe(spans);
      for (const { id, object } of live()) {
        expect(found.find((one) => one.id === id)?.object).toEqual(object);
      }
      await bucket.sweep.run();
      expect(bucket.sweeps.at(-1)).toMatchObject({ missing: 0, different: 0 });
      // Each live segment, and who owns the bucket: no orphans.
      expect(fake.objects.size).toBe(live().length + 1);
      expect([...fake.faults.counts.values()].reduce((a, b) => a + b, 0)).toBeGreaterThan(3);
    } finally {
      await bucket.uploader.close();
      await close();
    }
  });
}
