const scratch = new DataView(new ArrayBuffer(8));

/** The double whose IEEE 754 bits are these two words. */
export function doubleOf(lo: number, hi: number): number {
  scratch.setUint32(0, lo, true);
  scratch.setUint32(4, hi, true);
  return scratch.getFloat64(0, true);
}

/** The int64 in two's complement that these two unsigned words are. */
export function int64Of(lo: number, hi: number): bigint {
  return BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo));
}
