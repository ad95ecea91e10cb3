import { deflateSync, gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { compress } from "snappyjs";
import { describe, expect, it } from "vitest";
import { isPintailError } from "../../src/errors.ts";
import { decompressBody } from "../../src/ingest/decompress.ts";
import { maskedCrc32c } from "../../src/ingest/decompress-snappy.ts";
import { BodyEncoding } from "../../src/ingest/ingest.ts";
import { concatBytes } from "../../src/util/concat-bytes.ts";
import { crc32c } from "../../src/util/crc32c.ts";
import { xxh32 } from "../../src/util/xxh32.ts";

const MAX = 1 << 20;

/** What the reference lz4 1.9.4 made of `content()`, gzipped to be short here. */
const LZ4 = {
  "linked 64 KiB blocks with checksums (-B4 -BD -BX)":
    "H4sIAAAAAAACA+1TMWgUQRR9M/OWnNvccrvCgcEcZwqxcWdvd28XRCJc4RXKFQdqpxAEmySiKIKNoAFLQRKw0iZN0ErSKKQRG1GbQxDBSkRIY2EjCvGdYG0rxA8zzLz/3v/DzDx2T7XHC08eWeDylZULS500nEHLa+Qa9Qy6vmygmxUNxL0Icd5BXB5FXB3HIZ+eRpwpm/dqdMtKlHoopI2kOIFWX9RsqHUK15Za6eqsoApxP0Xs7yERpZWNtBfWW5FcPHVK/Em4BTV7KJqolSoV30U5D9fUVv11qCRfBtfhIrg5JHUf7qNyq6qmc6py0Jj25WGBEaiKZ8CL4DVwFVxDsAGbGL4AJ+An8BtIQyHzhrnhwHBsuGiS7A3cvAnuG7cOPpXAcGLielsKQ9qkasPdlsRyYDm2XLS8aoM7lmuWG5Zbli8t31l+tu4r3DLcFvga9phxs3BHwBocgufAS+AN8C6CB+Am+Ax8BX4Ad9Ccc7t7OQajcPo3Jzubz0MDNN/+3N3j8WW01PFlWByIDv7Qjdz6bd2sCGXG3tSvea2pzDVVvoHMp+m+P1aN/lv1L1aN/XXz73v1/UhP7sPx9s1ZKB5H+5u/AAoTNYnNBQAA",
  "independent 64 KiB blocks (-B4 -BI)":
    "H4sIAAAAAAACA+2SP2gUQRTGv5n5lqzX3HK7whVCljWF2Lizt7e3CyIRrvAK5Yrgn07hEGySiKJYChpIGZEErbSJhdhJGgsbsRGtgiCCldjYWNiIhX4XsLSwEATvwQwz733fewPzY3ayO1l89NACl6+sXlhO89YcOl6r1GrmkPkqRFb0Q8S9CHGZIq6OIK6P4aDPTyEuVC17DbKqlqQZKdNF0j+OzkDSYqRzDteVW+X6rFI14kGO2G8gkaRTjHVXrrcqu3SalPgTcIsa9kAySWt16n+T5DxcW1fN16OScgXcgovg5pE0A7gPqq2pm96pzkE4nctDSkagOp4BL4LXwDVwE8E2bGL4AtwFP4JfQRoqs2BYGg4NlwwnJinewC2Y4K5xW+BTGQx3Tdw8l8OQNqm7cLdksRxaLllOLK/a4LblpuW25Y7lS8u3lp+s+wK3ArcDvoY9atwBuMNgA47Ac+Al8Aa4juA++Bh8Br4C34Of0Z53P/7nGI5bUzbvCdI7abl3Tn+LZlb7FIXP832/4IxmcM7g/Gtxeryc+qr13QA398gs+i1h15uyWTbaqjKcQhnOoPwzKGN/3fz7VL4b68t9C4on0f72T8btplxQBwAA",
  "one block with the content's size (--content-size)":
    "H4sIAAAAAAACA+1Uv0tbURg9997zSAiFhLwnZBASUofiYt7LS/IeFKmQwQwtGQKtm0IQLKVJaRG614CjIAacOmURtxKHDl3ERdopdCl0Kl26dHBx0pN/wikffHC/850f33RZfV56082+tpjX6BGBd++HO28rtVwGxVAdq9MMqmEzi2rUyMKvF+DHFfjNNfjJOh6HtRfwI23jeopqMxEl7QgpIWhsoNgSNeroXYMrSa118kpQAr9Vgx8eIRClGHU1C6sPJRdPSUG4CfdMYZ9FEzWRU+NWlG24vEbl66ggHoBjuAJcGUHagvut3UhuulPOXnaeyycCC6AcX4K74D44Ak/gTWADw0twBv4Bb0AaClkxjA3bhj3DvgmiH3Arxjs2bgx+kcBwZvz0mxSGtEFSgvskiWXbsmfZt/xgvQPLE8uJ5dTyyvKn5V/r/sMN4Kbgd9inxi3DrYIp2AG3wD3wI3gI7xQ8A7+C1+Av8B/yZXe3qEU9QF109QeEufmncF5Yyt8DqgVuCicEAAA=",
};

/** 158 216 bytes. */
function content(): Uint8Array {
  let text = "";
  for (let i = 0; i < 20_000; i++) text += `span ${(i * i) % 101}\n`;
  return encode(text);
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function frames(...contents: Uint8Array[]): Uint8Array {
  const chunks: Uint8Array[] = [Uint8Array.of(0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59)];
  for (const bytes of contents) chunks.push(frame(0, compress(bytes), maskedCrc32c(bytes)));
  return concatBytes(chunks);
}

function frame(type: number, data: Uint8Array, crc: number): Uint8Array {
  const length = data.length + 4;
  const head = Uint8Array.of(type, length, length >>> 8, length >>> 16);
  return concatBytes([head, Uint8Array.of(crc, crc >>> 8, crc >>> 16, crc >>> 24), data]);
}

function encodings(bytes: Uint8Array): [keyof typeof BodyEncoding, Uint8Array][] {
  const lz4 = lz4Stored(bytes);
  return [
    ["identity", bytes],
    ["gzip", gzipSync(bytes)],
    ["zstd", zstdCompressSync(bytes)],
    ["zlib", deflateSync(bytes)],
    ["snappy", compress(bytes)],
    ["snappyFramed", frames(bytes.subarray(0, 1000), bytes.subarray(1000, 60_000))],
    ["lz4", lz4],
  ];
}

/** An LZ4 frame of one stored block of at most 64 KiB. */
function lz4Stored(bytes: Uint8Array): Uint8Array {
  const descriptor = Uint8Array.of(0x60, 0x40);
  const size = bytes.length | 0x80000000;
  return concatBytes([
    Uint8Array.of(0x04, 0x22, 0x4d, 0x18),
    descriptor,
    Uint8Array.of(xxh32(descriptor) >>> 8),
    Uint8Array.of(size, size >>> 8, size >>> 16, size >>> 24),
    bytes,
    new Uint8Array(4),
  ]);
}

function kindOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isPintailError(error)) return error.kind;
    throw error;
  }
  return "no error";
}

describe("decompressBody", () => {
  it.each(encodings(encode("hello ".repeat(500))))("reads %s", (name, body) => {
    const bytes = decompressBody(body, BodyEncoding[name], MAX);
    expect(new TextDecoder().decode(bytes)).toBe("hello ".repeat(500));
  });

  it.each(encodings(encode("hello ".repeat(500))))("bounds the result of %s", (name, body) => {
    expect(decompressBody(body, BodyEncoding[name], 3000).length).toBe(3000);
    expect(kindOf(() => decompressBody(body, BodyEncoding[name], 2999))).toBe("too_large");
  });

  it.each(encodings(encode("hello ".repeat(500))).filter(([name]) => name !== "identity"))(
    "refuses %s cut short",
    (name, body) => {
      for (let length = 0; length < body.length - 4; length += length < 40 ? 1 : 97) {
        // A framed stream may end after any of its chunks.
        if (name === "snappyFramed" && length === frames(new Uint8Array(0)).length - 9) continue;
        const kind = kindOf(() =>
          decompressBody(body.subarray(0, length), BodyEncoding[name], MAX),
        );
        if (name === "snappyFramed" && length >= 10)
          expect(["malformed", "no error"]).toContain(kind);
        else expect(kind, `${length} bytes`).toBe("malformed");
      }
    },
  );

  it("answers garbage and mutations in any encoding with bytes, malformed or too_large", () => {
    const bodies = encodings(encode("hello ".repeat(50)));
    fc.assert(
      fc.property(
        fc.constantFrom(...bodies),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
        fc.option(fc.uint8Array({ maxLength: 60 })),
        ([name, body], changes, garbage) => {
          const bytes = Uint8Array.from(garbage ?? body);
          for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
          const kind = kindOf(() => decompressBody(bytes, BodyEncoding[name], 1000));
          expect(["no error", "malformed", "too_large"]).toContain(kind);
        },
      ),
      { numRuns: 1500 },
    );
  });
});

describe("snappy", () => {
  it("refuses a claimed length before it takes the memory", () => {
    const claim = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0);
    expect(kindOf(() => decompressBody(claim, BodyEncoding.snappy, MAX))).toBe("too_large");
    expect(kindOf(() => decompressBody(claim, BodyEncoding.snappy, 2 ** 32))).toBe("malformed");
  });

  it("refuses a block that makes fewer or more bytes than it claims", () => {
    const block = compress(encode("hello world"));
    for (const claim of [block[0]! - 1, block[0]! + 1]) {
      const changed = Uint8Array.from(block);
      changed[0] = claim;
      expect(kindOf(() => decompressBody(changed, BodyEncoding.snappy, MAX))).toBe("malformed");
    }
  });

  it("reads framed streams with stored, padding and skippable chunks", () => {
    const text = encode("stored");
    const body = concatBytes([
      frames(encode("one ")),
      frame(0xfe, encode("padding"), 0),
      frame(0x80, encode("skipped"), 0),
      frame(1, text, maskedCrc32c(text)),
      frames(encode(" two")),
    ]);
    const bytes = decompressBody(body, BodyEncoding.snappyFramed, MAX);
    expect(new TextDecoder().decode(bytes)).toBe("one stored two");
  });

  it("refuses framed streams with a wrong checksum, unknown chunks or no identifier", () => {
    const text = encode("text");
    const good = frames(text);
    const bad = [
      concatBytes([good, frame(1, text, maskedCrc32c(text) ^ 1)]),
      concatBytes([good, frame(0x02, text, 0)]),
      good.subarray(10),
      concatBytes([good, frame(1, new Uint8Array(70_000), maskedCrc32c(new Uint8Array(70_000)))]),
    ];
    for (const body of bad) {
      expect(kindOf(() => decompressBody(body, BodyEncoding.snappyFramed, MAX))).toBe("malformed");
    }
  });

  it("knows CRC-32C", () => {
    expect(crc32c(encode("123456789"))).toBe(0xe3069283);
  });
});

describe("lz4", () => {
  it.each(Object.entries(LZ4))("reads %s", (_, fixture) => {
    const body = new Uint8Array(gunzipSync(Buffer.from(fixture, "base64")));
    const bytes = decompressBody(body, BodyEncoding.lz4, MAX);
    expect(Buffer.from(bytes).equals(content())).toBe(true);
    expect(kindOf(() => decompressBody(body, BodyEncoding.lz4, 158_215))).toBe("too_large");
    expect(decompressBody(body, BodyEncoding.lz4, 158_216).length).toBe(158_216);
  });

  it.each(Object.entries(LZ4))("notices any changed byte in %s", (_, fixture) => {
    const body = new Uint8Array(gunzipSync(Buffer.from(fixture, "base64")));
    for (let i = 0; i < body.length; i += i < 30 ? 1 : 41) {
      const changed = Uint8Array.from(body);
      changed[i]! ^= 0x10;
      // A match that is moved by the text's period gives the same text.
      const kind = kindOf(() => {
        const bytes = decompressBody(changed, BodyEncoding.lz4, MAX);
        expect(Buffer.from(bytes).equals(content()), `byte ${i}`).toBe(true);
      });
      expect(["malformed", "too_large", "no error"]).toContain(kind);
    }
  });

  it("reads several frames and skips skippable ones", () => {
    const skippable = concatBytes([
      Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0),
      encode("abc"),
    ]);
    const body = concatBytes([lz4Stored(encode("one ")), skippable, lz4Stored(encode("two"))]);
    const bytes = decompressBody(body, BodyEncoding.lz4, MAX);
    expect(new TextDecoder().decode(bytes)).toBe("one two");
  });

  it("knows xxHash32", () => {
    expect(xxh32(new Uint8Array(0))).toBe(0x02cc5d05);
    expect(xxh32(encode("Nobody inspects the spammish repetition"))).toBe(0xe2293b2f);
  });
});

describe("zstd", () => {
  const frame = (text: string): Buffer => zstdCompressSync(encode(text));

  it("of several frames is decompressed whole, as parallel compressors write it", () => {
    const body = Buffer.concat([frame("a"), frame(""), frame("b".repeat(100_000)), frame("c")]);
    const decoded = decompressBody(body, BodyEncoding.zstd, MAX);
    expect(new TextDecoder().decode(decoded)).toBe(`a${"b".repeat(100_000)}c`);
  });

  it("is bounded over all of its frames", () => {
    const body = Buffer.concat([frame("a".repeat(600)), frame("b".repeat(600))]);
    expect(decompressBody(body, BodyEncoding.zstd, 1200)).toHaveLength(1200);
    for (const max of [1199, 600, 599, 1]) {
      expect(() => decompressBody(body, BodyEncoding.zstd, max)).toThrow(
        `decompressed body exceeds ${max} bytes`,
      );
    }
  });

  it("with something else behind it is refused", () => {
    const body = Buffer.concat([frame("a"), encode("something else")]);
    expect(() => decompressBody(body, BodyEncoding.zstd, MAX)).toThrow("invalid zstd data");
  });
});
