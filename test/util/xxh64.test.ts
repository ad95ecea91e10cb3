import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { xxh64 } from "../../src/util/xxh64.ts";

function hash(bytes: Uint8Array, start = 0, end = bytes.length): bigint {
  const out = new Uint32Array(2);
  xxh64(bytes, start, end, out);
  return (BigInt(out[1]!) << 32n) | BigInt(out[0]!);
}

const MASK = 2n ** 64n - 1n;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const rotl = (x: bigint, r: bigint) => ((x << r) | (x >> (64n - r))) & MASK;
const round = (lane: bigint, input: bigint) => (rotl((lane + input * P2) & MASK, 31n) * P1) & MASK;

/** The specification, word for word, over BigInt. */
function reference(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let h: bigint;
  if (bytes.length >= 32) {
    const lanes = [(P1 + P2) & MASK, P2, 0n, -P1 & MASK];
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i]!, view.getBigUint64(at + 8 * i, true));
    }
    const [a, b, c, d] = lanes as [bigint, bigint, bigint, bigint];
    h = (rotl(a, 1n) + rotl(b, 7n) + rotl(c, 12n) + rotl(d, 18n)) & MASK;
    for (const lane of lanes) h = ((h ^ round(0n, lane)) * P1 + P4) & MASK;
  } else h = P5;
  h = (h + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8) {
    h = (rotl(h ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= bytes.length) {
    h = (rotl(h ^ ((BigInt(view.getUint32(at, true)) * P1) & MASK), 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < bytes.length; at++)
    h = (rotl(h ^ ((BigInt(bytes[at]!) * P5) & MASK), 11n) * P1) & MASK;
  h = ((h ^ (h >> 33n)) * P2) & MASK;
  h = ((h ^ (h >> 29n)) * P3) & MASK;
  return h ^ (h >> 32n);
}

describe("xxh64", () => {
  it("gives the published values", () => {
    const encode = (text: string) => new TextEncoder().encode(text);
    expect(hash(encode(""))).toBe(0xef46db3751d8e999n);
    expect(hash(encode("a"))).toBe(0xd24ec4f1a98c6e5bn);
    expect(hash(encode("abc"))).toBe(0x44bc2cf5ad770999n);
    expect(hash(encode("Nobody inspects the spammish repetition"))).toBe(0xfbcea83c8a378bf1n);
  });

  it("agrees with the specification over BigInt, at any place in a buffer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 140 }), fc.nat(9), (bytes, before) => {
        const padded = new Uint8Array(before + bytes.length + 3);
        padded.set(bytes, before);
        expect(hash(padded, before, before + bytes.length)).toBe(reference(bytes));
      }),
      { numRuns: 500 },
    );
  });
});
