import fc from "fast-check";
import { expect, test } from "vitest";
import { KeysNamed } from "../../src/query/keys-named.ts";
import type { KeyStats, SegmentWithKeys } from "../../src/schema/segment-meta.ts";
import { KeySharer } from "../../src/storage/catalog/shared-keys.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";

const name = fc.constantFrom<string[]>("a", "aa", "b", "b.c", "é", "name", "z", "");
const stats = fc.record<KeyStats>({
  scope: fc.constantFrom("span", "resource", "event"),
  key: name,
  type: fc.constantFrom("string", "int"),
  count: fc.nat(9),
  distinct: fc.constant(0),
  values: fc.constant([]),
  complete: fc.boolean(),
  dedicated: fc.boolean(),
});
const segment = fc.uniqueArray(stats, {
  selector: ({ scope, key, type }) => `${scope} ${key} ${type}`,
  maxLength: 30,
});

test("finds what a look at every key finds, whatever the segments before held", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { maxLength: 4 }),
      fc.array(segment, { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(3), fc.boolean(), fc.nat(100)), { maxLength: 12 }),
      (names, lists, segments) => {
        const named = new KeysNamed(new Set(names));
        const sharer = new KeySharer();
        for (const [i, isCatalogs, count] of segments) {
          // Numbers differ from segment to segment.
          const list = lists[i % lists.length]!.map((one) => ({ ...one, count }));
          const { keys, same } = sharer.share(list);
          const meta: SegmentWithKeys = isCatalogs
            ? { ...aSegmentMeta({ keys }), sameKeys: same }
            : aSegmentMeta({ keys: list });
          expect(named.of(meta)).toEqual(meta.keys.filter(({ key }) => names.includes(key)));
        }
      },
    ),
    { numRuns: 300 },
  );
});
