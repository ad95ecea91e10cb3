const WORD = 0x1_0000_0000;

/** A number modulo 2^64 as two unsigned words: arithmetic on times without a bigint per span. */
export class U64 {
  lo = 0;
  hi = 0;

  /** The words of an unsigned number, or of a signed one in two's complement. */
  set(lo: number, hi: number): this {
    this.lo = lo >>> 0;
    this.hi = hi >>> 0;
    return this;
  }

  /** `factor` is an integer below 2^20, so that each product is exact. */
  multiply(factor: number): this {
    const low = this.lo * factor;
    this.lo = low >>> 0;
    this.hi = (this.hi * factor + (low - this.lo) / WORD) >>> 0;
    return this;
  }

  add(lo: number, hi: number): this {
    const low = this.lo + (lo >>> 0);
    this.lo = low >>> 0;
    this.hi = (this.hi + (hi >>> 0) + (low >= WORD ? 1 : 0)) >>> 0;
    return this;
  }
}
