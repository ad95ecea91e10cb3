import { expect, test } from "vitest";
import { namedKeys } from "../../../src/query/named-keys.ts";
import { UsedKeys } from "../../../src/storage/compaction/used-keys.ts";
import { writeSegment } from "../../../src/storage/segments/write-segment.ts";
import { aSpan, batchOf, spanIdOf } from "../../support/batch-builder.ts";

test("the keys of a day are known, the latest of too many", () => {
  const clock = { nowMs: 0 };
  const keys = new UsedKeys(() => clock.nowMs);
  keys.record(Array.from({ length: 100 }, (_, i) => `span.k${i}`));
  expect(keys.columns()).toHaveLength(48);
  expect(keys.columns()).toContain("span.k99");
  clock.nowMs += 12 * 3_600_000;
  keys.record(["span.k60"]);
  clock.nowMs += 13 * 3_600_000;
  expect(keys.columns()).toEqual(["span.k60"]);
});

test("a query's attributes name the columns that they would have", () => {
  expect(
    namedKeys([
      { type: "intrinsic", name: "duration" },
      { type: "attribute", scope: "span", key: "a" },
      { type: "attribute", scope: "any", key: "b" },
    ]),
  ).toEqual(["span.a", "span.b", "resource.b"]);
});

test("a rare key that queries use has its own column", () => {
  const spans = Array.from({ length: 8000 }, (_, i) =>
    aSpan({ spanId: spanIdOf(i + 1), attributes: i < 30 ? [{ key: "order", value: "x" }] : [] }),
  );
  const columns = (usedKeys: readonly string[]) =>
    writeSegment(batchOf(spans), {
      id: "01JZZZZZZZZZZZZZZZZZZZZZZZ",
      tenant: "t",
      level: 2,
      walRange: undefined,
      replaces: [],
      createdUnixMs: 0,
      zstdLevel: 1,
      rowGroupRows: 61_440,
      usedKeys,
    }).meta.optionalColumns;
  expect(columns([])).not.toContain("span.order");
  expect(columns(["span.order"])).toContain("span.order");
});
