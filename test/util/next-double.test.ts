import fc from "fast-check";
import { expect, test } from "vitest";
import { nextDown, nextUp } from "../../src/util/next-double.ts";

test.each([
  [0, Number.MIN_VALUE],
  [-0, Number.MIN_VALUE],
  [-Number.MIN_VALUE, -0],
  [1, 1 + Number.EPSILON],
  [-1, -1 + Number.EPSILON / 2],
  [2 ** 53, 2 ** 53 + 2],
  [Number.MAX_VALUE, Infinity],
  [-Infinity, -Number.MAX_VALUE],
  [Infinity, Infinity],
  [Number.NaN, Number.NaN],
])("above %d is %d", (x, above) => {
  expect(nextUp(x)).toBe(above);
});

test("going up and down again changes nothing", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
      expect(nextUp(x)).toBeGreaterThan(x);
      expect(nextDown(x)).toBeLessThan(x);
      expect(nextDown(nextUp(x)) === x).toBe(true);
      expect(nextUp(nextDown(x)) === x).toBe(true);
    }),
  );
});

test("between neighbours there is no room", () => {
  fc.assert(
    fc.property(fc.double({ min: -1e300, max: 1e300, noNaN: true }), (x) => {
      const above = nextUp(x);
      const between = x + (above - x) / 2;
      expect(between === x || between === above).toBe(true);
    }),
  );
});
