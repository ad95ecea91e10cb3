import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutUtf8, isValidUtf8 } from "../../src/util/utf8.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** What TextDecoder leaves as it is. */
function isValid(bytes: Uint8Array): boolean {
  return String(encoder.encode(decoder.decode(bytes))) === String(bytes);
}

describe("isValidUtf8", () => {
  it("agrees with TextDecoder", () => {
    const lead = fc.constantFrom(0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf);
    const more = fc.constantFrom(0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5);
    fc.assert(
      fc.property(fc.array(fc.oneof(lead, more), { maxLength: 6 }), (list) => {
        const bytes = Uint8Array.from(list);
        expect(isValidUtf8(bytes, 0, bytes.length)).toBe(isValid(bytes));
      }),
      { numRuns: 1500 },
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const bytes = new TextEncoder().encode(text);
        expect(isValidUtf8(bytes, 0, bytes.length)).toBe(true);
      }),
    );
  });
});

describe("cutUtf8", () => {
  it("keeps whole characters, as many as fit", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 20 }), fc.nat(20), (text, max) => {
        const bytes = new TextEncoder().encode(text);
        const end = cutUtf8(bytes, 0, bytes.length, max);
        expect(end).toBeLessThanOrEqual(Math.max(max, 0));
        expect(isValid(bytes.subarray(0, end))).toBe(true);
        if (end < bytes.length) expect(end).toBeGreaterThan(max - 4);
      }),
    );
  });

  it("cuts bytes that are no characters at the bound", () => {
    expect(cutUtf8(new Uint8Array(20).fill(0x80), 0, 20, 10)).toBe(10);
  });
});
