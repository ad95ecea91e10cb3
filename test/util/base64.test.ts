import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { base64Decode, base64Encode } from "../../src/util/base64.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("base64", () => {
  it("encodes like everyone else and decodes its own output", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        const encoded = text(base64Encode(bytes));
        expect(encoded).toBe(Buffer.from(bytes).toString("base64"));
        expect(base64Decode(encoded)).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  it.each(["A", "AB", "A===", "AA=A", "A*AA", "AAé=", "===="])("refuses %j", (input) => {
    expect(base64Decode(input)).toBeUndefined();
  });
});
