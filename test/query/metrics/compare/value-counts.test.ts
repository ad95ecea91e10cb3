import { expect, test } from "vitest";
import { ValueCounts } from "../../../../src/query/metrics/compare/value-counts.ts";
import { labelText } from "../../../../src/query/metrics/label-value.ts";

const one = Uint32Array.of(1, 0);

test("attributes beyond what there is room for are left out, which the result tells", () => {
  const counts = new ValueCounts(400_000);
  // Each total takes 800 000 of the four million numbers.
  for (let i = 0; i < 8; i++) counts.addCells(`span.a${i}`, { intValue: "1" }, i, one);
  counts.addCells("span.a0", { intValue: "1" }, 9, one);
  const { series, truncated } = counts.finish(10);
  expect(truncated).toBe(true);
  const totals = series.filter(({ labels }) => labelText(labels[0]!.value) === "baseline_total");
  expect(totals.map(({ labels }) => labels[1]?.key)).toEqual(
    Array.from({ length: 5 }, (_, i) => `span.a${i}`),
  );
  expect(totals[0]?.values.subarray(0, 10)).toEqual(Float64Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 1));
});

test("all attributes are there while there is room", () => {
  const counts = new ValueCounts(4);
  for (let i = 0; i < 3000; i++) counts.addCells(`span.a${i}`, { stringValue: "x" }, 1, one);
  const { series, truncated } = counts.finish(1);
  expect(truncated).toBe(false);
  expect(series).toHaveLength(6000);
});
