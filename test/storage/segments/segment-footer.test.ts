import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPintailError } from "../../../src/errors.ts";
import { parseSegmentMeta, readSegmentMeta } from "../../../src/storage/segments/segment-footer.ts";
import { aService, aSpan, batchOf, traceIdOf } from "../../support/batch-builder.ts";
import { write } from "./stored-rows.ts";

const spans = Array.from({ length: 50 }, (_, i) =>
  aSpan({
    traceId: traceIdOf(i),
    resource: aService("shop"),
    attributes: [{ key: "k", value: `v${i}` }],
  }),
);

function reader(file: Uint8Array) {
  const reads: number[] = [];
  const readAt = async (offset: number, length: number) => {
    reads.push(length);
    return file.slice(offset, offset + length);
  };
  return { readAt, reads };
}

describe("readSegmentMeta", () => {
  it("finds what the writer said, in one read of a small file", async () => {
    const { file, meta } = write(batchOf(spans));
    const { readAt, reads } = reader(file);
    expect(await readSegmentMeta(readAt, file.length)).toEqual(meta);
    expect(meta.byteSize).toBe(file.length);
    expect(reads).toHaveLength(1);
  });

  it("reads a footer longer than the tail in a second read", async () => {
    const many = Array.from({ length: 20_000 }, (_, i) =>
      aSpan({ traceId: traceIdOf(i), attributes: [{ key: `key number ${i % 2000}`, value: 1n }] }),
    );
    const { file, meta } = write(batchOf(many));
    const { readAt, reads } = reader(file);
    expect(await readSegmentMeta(readAt, file.length)).toEqual(meta);
    expect(reads).toHaveLength(2);
  });

  it("keeps a missing WAL range missing", async () => {
    const { meta } = write(batchOf(spans));
    const json = JSON.stringify(
      { ...meta, walRange: undefined, traceFilter: undefined },
      (_k, v) => (typeof v === "bigint" ? String(v) : v),
    );
    expect(parseSegmentMeta(json, "").walRange).toBeUndefined();
  });

  it("answers damaged files with corrupt, or with a description, never otherwise", async () => {
    const { file } = write(batchOf(spans));
    const footerStart = file.length - 6000;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(file.length - footerStart - 1), fc.nat(255)), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.nat(30),
        async (changes, cut) => {
          const damaged = file.slice(0, file.length - (cut > 20 ? cut : 0));
          for (const [at, byte] of changes) damaged[footerStart + at] = byte;
          try {
            await readSegmentMeta(reader(damaged).readAt, damaged.length);
          } catch (error) {
            expect(isPintailError(error, "corrupt")).toBe(true);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it.each([
    ["nothing", new Uint8Array(0)],
    ["other bytes", new Uint8Array(100)],
    [
      "a footer length beyond the file",
      Uint8Array.from([...Array(20).fill(0), 255, 255, 255, 127, 80, 65, 82, 49]),
    ],
    [
      "deep nesting",
      Uint8Array.from([
        ...Array(8).fill(0),
        ...Array(200).fill(0x1c),
        200,
        0,
        0,
        0,
        80,
        65,
        82,
        49,
      ]),
    ],
    [
      "a huge list",
      Uint8Array.from([
        0, 0, 0, 0, 0x19, 0xfc, 255, 255, 255, 255, 15, 0, 8, 0, 0, 0, 80, 65, 82, 49,
      ]),
    ],
  ])("refuses %s as corrupt", async (_name, bytes) => {
    const error = await readSegmentMeta(reader(bytes).readAt, bytes.length).catch((e) => e);
    expect(isPintailError(error, "corrupt")).toBe(true);
  });

  it("takes statistics of older versions, and refuses services that cannot be", () => {
    const { meta } = write(batchOf(spans.map((span) => ({ ...span, attributes: [] }))));
    const at = meta.keys.findIndex(({ key }) => key === "name");
    const withServices = (services: unknown) => {
      const keys = meta.keys.map((stats, i) => (i === at ? { ...stats, services } : stats));
      return JSON.stringify({ ...meta, keys, traceFilter: undefined }, (_k, v) =>
        typeof v === "bigint" ? String(v) : v,
      );
    };
    const parsed = (services: unknown) =>
      parseSegmentMeta(withServices(services), "").keys[at]!.services;
    expect(meta.keys[at]!.services).toEqual(["1"]);
    expect(() =>
      parseSegmentMeta(withServices(["1"]).replace('"services":["1"]', '"keyServices":"-1"'), ""),
    ).toThrow("keyServices");
    expect(parsed(["1"])).toEqual(["1"]);
    expect(parsed(["0123456789abcdef"])).toEqual(["0123456789abcdef"]);
    expect(parsed(undefined)).toBeUndefined();
    for (const bad of [[], ["1", "1"], [""], ["g"], ["1".repeat(17)], ["0x1"], ["1\n"], [1], "1"]) {
      expect(() => parsed(bad), JSON.stringify(bad)).toThrow("services");
    }
  });

  it.each([
    ["no object", "[]"],
    ["no JSON", "{"],
    ["a missing field", "{}"],
    ["a newer version", '{"formatVersion":99}'],
  ])("refuses a description that is %s", (_name, json) => {
    expect(() => parseSegmentMeta(json, "")).toThrow(/segment/);
  });
});
