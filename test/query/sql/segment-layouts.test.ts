import { expect, test } from "vitest";
import { groupByLayout } from "../../../src/query/sql/segment-layouts.ts";
import type { KeyStats, SegmentMeta } from "../../../src/schema/segment-meta.ts";

function segment(id: string, keys: Record<string, KeyStats["type"]>, rowCount = 1): SegmentMeta {
  return {
    id,
    rowCount,
    optionalColumns: Object.keys(keys).map((key) => `span.${key}`),
    keys: Object.entries(keys).map(([key, type]) => ({
      ...{ scope: "span", key, type, dedicated: true },
      ...{ count: 1, distinct: 1, values: [], complete: true },
    })),
  } as unknown as SegmentMeta;
}

const ids = (groups: ReturnType<typeof groupByLayout>) =>
  groups.map(({ segments, uniform }) => [segments.map(({ id }) => id).join(""), uniform]);

test("segments with the same columns and types share a group", () => {
  const groups = groupByLayout([
    segment("a", { x: "string", y: "int" }),
    segment("b", { y: "int", x: "string" }),
    segment("c", { x: "int", y: "int" }),
  ]);
  expect(ids(groups)).toEqual([
    ["ab", true],
    ["c", true],
  ]);
});

test("beyond the bound, small sets join others that they do not contradict", () => {
  const groups = groupByLayout(
    [
      segment("a", { x: "string" }, 100),
      segment("b", { x: "string", y: "int" }, 3),
      segment("c", { z: "double" }, 2),
      segment("d", { y: "string" }, 1),
      segment("e", { Z: "double" }, 1),
    ],
    2,
  );
  // d has another type for y; e differs from c by case only, which DuckDB would take for one.
  expect(ids(groups)).toEqual([
    ["a", true],
    ["bc", false],
    ["de", false],
  ]);
  expect(groups[1]!.layout.dedicated("span").map(({ key, type }) => [key, type])).toEqual([
    ["x", "VARCHAR"],
    ["y", "BIGINT"],
    ["z", "DOUBLE"],
  ]);
});
