import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { openObjectStore } from "../../../src/drivers/objects/open-object-store.ts";
import { DEFAULT_S3 } from "../../../src/drivers/objects/settings.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { rebuildCatalog } from "../../../src/storage/catalog/rebuild.ts";
import { readSegmentMeta } from "../../../src/storage/segments/segment-footer.ts";
import { observedParts } from "../../drivers/objects/open-stores.ts";
import { temporaryFolder } from "../wal/wal-support.ts";
import { setUpBucket, signal } from "./bucket-support.ts";

/** The variables are those of `test/drivers/objects/real-stores.test.ts`. */
const env = (name: string) => process.env[`PINTAIL_TEST_S3_${name}`] ?? "";
const isGiven = env("ENDPOINT") !== "";
if (!isGiven) console.log("real S3 server is not tested: PINTAIL_TEST_S3_ENDPOINT is not set");

test.skipIf(!isGiven)(
  "a real S3 server: uploaded, owned, rebuilt from, swept, deleted",
  async () => {
    const url = new URL(env("ENDPOINT"));
    const store = await openObjectStore(observedParts().parts, {
      backend: "s3",
      s3: {
        ...DEFAULT_S3,
        bucket: env("BUCKET") || "pintail-test",
        endpoint: url.host,
        insecure: url.protocol === "http:",
        region: env("REGION"),
        accessKey: env("ACCESS_KEY"),
        secretKey: env("SECRET_KEY"),
        prefix: `pintail-test-${randomUUID()}`,
      },
    });
    try {
      const bucket = await setUpBucket({ store });
      const segments: SegmentMeta[] = [];
      for (let i = 0; i < 8; i++) segments.push(await bucket.add(10, { tenant: `t*${i % 2}` }));
      await bucket.upload();
      expect(bucket.stored).toHaveLength(8);
      const second = await setUpBucket({ store, catalogId: "theirs" });
      await second.add(10);
      await second.upload();
      expect(second.owner.owned).toBe(false);

      const bad: string[] = [];
      const result = await rebuildCatalog(
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
      const found: SegmentMeta[] = [];
      for await (const batch of result.segments) found.push(...batch);
      expect(bad).toEqual([]);
      for (const segment of segments) {
        expect(found.find(({ id }) => id === segment.id)).toEqual(
          bucket.catalog.segment(segment.id),
        );
      }
      await bucket.sweep.run();
      expect(bucket.sweeps).toEqual([
        expect.objectContaining({ objects: 8, unknown: 0, missing: 0, different: 0, deleted: 0 }),
      ]);
      await bucket.catalog.commit({ remove: segments.map(({ id }) => id) });
      for (const segment of segments) await bucket.remover.remove(segment);
      expect((await store.list({ prefix: "segments/", signal })).objects).toEqual([]);
      await store.delete("owner.json", { signal });
    } finally {
      await store.close();
    }
  },
);
