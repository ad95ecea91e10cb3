import { expect, test } from "vitest";
import { retryAfterMs, retryWaitMs } from "../../../src/drivers/remote-write/retry-wait.ts";
import { someSettings } from "./support.ts";

const NOW = Date.UTC(2026, 0, 1, 12, 0, 0);

test.each([
  [undefined, undefined],
  ["7", 7000],
  ["0", 0],
  ["Thu, 01 Jan 2026 12:00:05 GMT", 5000],
  ["Thu, 01 Jan 2026 11:00:00 GMT", 0],
  ["soon", undefined],
  ["", undefined],
])("Retry-After %j is %j ms", (header, expected) => {
  expect(retryAfterMs(header, NOW)).toBe(expected);
});

test("waits double from the least to the most, half of them by chance", () => {
  const { queue } = someSettings("", { queue: { minBackoffMs: 30, maxBackoffMs: 100 } });
  const waits = (random: number) =>
    [1, 2, 3, 4, 5000].map((failures) => retryWaitMs(queue, failures, undefined, () => random));
  expect(waits(0)).toEqual([15, 30, 50, 50, 50]);
  expect(waits(1)).toEqual([30, 60, 100, 100, 100]);
});

test("a wish is followed up to five minutes; none of the past is", () => {
  const { queue } = someSettings("", { queue: { minBackoffMs: 30, maxBackoffMs: 100 } });
  const wait = (wish: number | undefined) => retryWaitMs(queue, 1, wish, () => 1);
  expect(wait(7000)).toBe(7000);
  expect(wait(Number("9".repeat(400)) * 1000)).toBe(300_000);
  expect(wait(0)).toBe(30);
});

test("settings without a backoff still have a pause", () => {
  const { queue } = someSettings("", { queue: { minBackoffMs: 0, maxBackoffMs: 0 } });
  expect(retryWaitMs(queue, 1, undefined, () => 0)).toBe(5);
});
