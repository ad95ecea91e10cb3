const double = new Float64Array(1);
const bits = new BigInt64Array(double.buffer);

/** The least double above `x`; NaN and Infinity are their own. */
export function nextUp(x: number): number {
  if (Number.isNaN(x) || x === Number.POSITIVE_INFINITY) return x;
  // The bits of doubles are in the order of their amounts; -0 is 0.
  double[0] = x === 0 ? 0 : x;
  bits[0] = bits[0]! + (x < 0 ? -1n : 1n);
  return double[0]!;
}

/** The greatest double below `x`; NaN and -Infinity are their own. */
export function nextDown(x: number): number {
  return -nextUp(-x);
}
