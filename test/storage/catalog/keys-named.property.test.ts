import fc from "fast-check";
import { expect, test } from "vitest";
import type { KeyStats, SegmentWithKeys } from "../../../src/schema/segment-meta.ts";
import { CatalogSegment } from "../../../src/storage/catalog/catalog-segment.ts";
import {
  packDetails,
  SegmentReader,
  scalarsOf,
} from "../../../src/storage/catalog/catalog-tables.ts";
import { KeysNamed } from "../../../src/storage/catalog/keys-named.ts";
import { DetailsCache, SegmentDetails } from "../../../src/storage/catalog/segment-details.ts";
import { aSegmentMeta } from "../../support/segment-meta.ts";

const cache = new DetailsCache({
  filterBudgetBytes: 1e6,
  keysBudgetBytes: 1e6,
  parsedKeysBudgetBytes: 1e6,
});
const reader = new SegmentReader();

function asTheCatalogHasIt(keys: readonly KeyStats[]): SegmentWithKeys {
  const meta = aSegmentMeta({ keys });
  const details = new SegmentDetails(cache);
  details.set("keys", packDetails(meta).keys);
  return new CatalogSegment(scalarsOf(meta, reader), details);
}

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

const idsOf = (keys: readonly KeyStats[]): string[] =>
  keys.map((one) => JSON.stringify(one)).sort();

test("finds what a look at every key finds, whatever the segments before held", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { maxLength: 4 }),
      fc.array(fc.tuple(segment, fc.boolean()), { minLength: 1, maxLength: 6 }),
      (names, segments) => {
        const named = new KeysNamed(new Set(names));
        for (const [keys, isCatalogs] of segments) {
          const meta = isCatalogs ? asTheCatalogHasIt(keys) : aSegmentMeta({ keys });
          const wanted = keys.filter(({ key }) => names.includes(key));
          expect(idsOf(named.of(meta))).toEqual(idsOf(wanted));
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("what was found in a segment stays as it was", () => {
  const [a, b] = ["span", "resource"].map(
    (scope): KeyStats => ({
      scope: scope as "span" | "resource",
      key: "a",
      type: "string",
      count: 1,
      distinct: 1,
      values: [],
      complete: false,
      dedicated: true,
    }),
  );
  const named = new KeysNamed(new Set(["a"]));
  const first = named.of(asTheCatalogHasIt([a!]));
  named.of(asTheCatalogHasIt([b!]));
  expect(first).toEqual([a]);
});
