import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import type { SqlType } from "../../../schema/columns.ts";
import { PlainValues } from "../read/plain-values.ts";
import { corrupt } from "../read/read-error.ts";

/** What stands for values that are not told apart: they count only towards a column's total. */
export const OTHERS = null;

const TAILS = 1 << 16;

/** The values of a column that are told apart, by their numbers. Number 0 are all others. */
export class WantedValues {
  readonly numbers: ReadonlyMap<SqlValue, number>;
  readonly values: readonly SqlValue[];
  /** Of strings: set for each tail that one of them has. */
  readonly #tails: Uint8Array | undefined;

  constructor(type: SqlType, wanted: readonly SqlValue[]) {
    this.values = [OTHERS, ...wanted];
    this.numbers = new Map(wanted.map((value, i) => [value, i + 1]));
    if (type !== "VARCHAR") return;
    this.#tails = new Uint8Array(TAILS);
    const encoder = new TextEncoder();
    for (const value of wanted) {
      const bytes = encoder.encode(String(value));
      this.#tails[tailOf(bytes, 0, bytes.length)] = 1;
    }
  }

  /** Writes the numbers of `count` values in PLAIN encoding to the front of `out`. */
  numbersInto(type: SqlType, body: Uint8Array, from: number, count: number, out: Int32Array): void {
    const plain = new PlainValues(type, body, from);
    const tails = this.#tails;
    if (tails === undefined) {
      for (let i = 0; i < count; i++) out[i] = this.numbers.get(plain.value(i)) ?? 0;
      return;
    }
    let at = from;
    for (let i = 0; i < count; i++) {
      const start = at + 4;
      if (start > body.length) throw corrupt("a string lies behind its page");
      const length =
        (body[at]! | (body[at + 1]! << 8) | (body[at + 2]! << 16) | (body[at + 3]! << 24)) >>> 0;
      if (length > body.length - start) throw corrupt("a string ends behind its page");
      at = start + length;
      // Most are others, and to make a string of each would take longer than all the rest.
      out[i] = tails[tailOf(body, start, at)] ? (this.numbers.get(plain.value(i)) ?? 0) : 0;
    }
  }
}

/** Of bytes `from .. to` the length and the last three, mixed. */
function tailOf(bytes: Uint8Array, from: number, to: number): number {
  let tail = to - from;
  for (let at = Math.max(from, to - 3); at < to; at++) tail = Math.imul(tail, 31) + bytes[at]!;
  return tail & (TAILS - 1);
}
