import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StringTable } from "../../src/model/string-table.ts";

const encoder = new TextEncoder();

describe("StringTable", () => {
  it("gives equal bytes equal ids, and other bytes other ids", () => {
    const word = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      // Near misses: same length, one byte apart.
      fc.tuple(fc.nat(40), fc.nat(255)).map(([at, byte]) => {
        const bytes = new Uint8Array(41).fill(97);
        bytes[at] = byte;
        return bytes;
      }),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 200 }), fc.integer(), (words, seed) => {
        const table = new StringTable(seed, { raw: true });
        const ids = new Map<string, number>();
        for (const bytes of [...words, ...words]) {
          const padded = new Uint8Array(bytes.length + 6);
          padded.set(bytes, 3);
          const id = table.intern(padded, 3, 3 + bytes.length);
          const known = ids.get(String(bytes));
          if (known === undefined) ids.set(String(bytes), id);
          else expect(id).toBe(known);
          expect([...table.bytes(id)]).toEqual([...bytes]);
        }
        expect(new Set(ids.values()).size).toBe(ids.size);
      }),
    );
  });

  it("keeps its strings while it grows", () => {
    const table = new StringTable(1);
    const texts = Array.from({ length: 20_000 }, (_, i) => `string number ${i}`);
    const ids = texts.map((text) => table.internText(text));
    expect(ids.map((id) => table.text(id))).toEqual(texts);
    expect(texts.map((text) => table.internText(text))).toEqual(ids);
    expect(table.internText("")).toBe(0);
  });

  it("holds valid UTF-8 whatever is put in", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
        const table = new StringTable(7);
        const id = table.intern(bytes, 0, bytes.length);
        const expected = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
        expect(table.text(id)).toBe(expected);
        expect([...table.bytes(id)]).toEqual([...encoder.encode(expected)]);
        expect(table.intern(bytes, 0, bytes.length)).toBe(id);
      }),
      { numRuns: 500 },
    );
  });
});
