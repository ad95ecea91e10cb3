import { expect, test } from "vitest";
import { parseGoDuration, parsePrometheusDuration } from "../../src/config/duration.ts";

test.each([
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  ["300ms", 300],
  ["100us", 0.1],
  ["1µs", 0.001],
  ["5m0s", 300_000],
  ["0", 0],
  ["0s", 0],
  ["1000000", 1],
  ["2d", 172_800_000],
  ["1w", 604_800_000],
  ["+3s", 3000],
  [".5s", 500],
])("Go duration %s is %d ms", (text, ms) => {
  expect(parseGoDuration(text)).toBeCloseTo(ms, 9);
});

test.each(["", "+", "5", "h", "-1s", "1h 30m", "5mb", "1hh", "9999999h", "1e3s", "5m!"])(
  "%j is no Prometheus duration",
  (text) => {
    expect(parsePrometheusDuration(text)).toBeUndefined();
  },
);

test("a Prometheus duration knows days, weeks and years", () => {
  expect(parsePrometheusDuration("1d12h")).toBe(129_600_000);
  expect(parsePrometheusDuration("1y")).toBe(365 * 86_400_000);
  expect(parsePrometheusDuration("0")).toBe(0);
});
