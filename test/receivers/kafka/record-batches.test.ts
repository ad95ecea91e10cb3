import { createRecordsBatch } from "@platformatic/kafka";
import { describe, expect, test } from "vitest";
import { type BatchItem, readRecordBatches } from "../../../src/receivers/kafka/record-batches.ts";
import { crc32c } from "../../../src/util/crc32c.ts";
import type { Compression } from "../../support/kafka-cluster.ts";
import { seededRandom, testSeed } from "../../support/random.ts";

const CODECS: readonly Compression[] = ["none", "gzip", "snappy", "lz4", "zstd"];
const text = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

/** A batch as a producer writes it, by the client library's encoder. */
function batch(
  values: readonly (string | undefined)[],
  options: { base?: bigint; compression?: Compression; headers?: [string, string][] } = {},
): Buffer {
  const { base = 0n, compression = "none", headers = [] } = options;
  const bytes = Buffer.from(
    createRecordsBatch(
      values.map((value) => ({
        topic: "t",
        key: Buffer.from("key"),
        value: (value === undefined ? undefined : Buffer.from(value)) as Buffer,
        headers: new Map(headers.map(([k, v]) => [Buffer.from(k), Buffer.from(v)])),
      })),
      { compression },
    ).buffer,
  );
  bytes.writeBigInt64BE(base, 0);
  return bytes;
}

/** Puts in the checksum that `bytes` then has. */
function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(bytes, 21), 17);
  return bytes;
}

const read = (bytes: Uint8Array, from = 0n): BatchItem[] => [...readRecordBatches(bytes, from)];
const plain = (items: readonly BatchItem[]) =>
  items.map((item) => {
    switch (item.type) {
      case "record":
        return `${item.offset} ${text(item.value)}`;
      case "end":
        return `-> ${item.next}`;
      default:
        return `-> ${item.next} ${item.error.message}`;
    }
  });

test.each(CODECS)("records of batches in compression %s", (compression) => {
  const bytes = Buffer.concat([
    batch(["a", "b"], { compression, base: 5n }),
    batch(["c", undefined], { compression, base: 7n }),
  ]);
  expect(plain(read(bytes))).toEqual(["5 a", "6 b", "-> 7", "7 c", "8 undefined", "-> 9"]);
});

test("what lies before the wanted offset is left out", () => {
  const bytes = Buffer.concat([batch(["a", "b"]), batch(["c", "d"], { base: 2n })]);
  expect(plain(read(bytes, 1n))).toEqual(["1 b", "-> 2", "2 c", "3 d", "-> 4"]);
  expect(plain(read(bytes, 2n))).toEqual(["2 c", "3 d", "-> 4"]);
  expect(plain(read(bytes, 4n))).toEqual([]);
});

test("the tenant header counts in any case, and all of its values do", () => {
  const headers: [string, string][] = [
    ["X-Scope-OrgID", "a"],
    ["other", "x"],
    ["x-scope-orgid", "b"],
  ];
  expect(read(batch(["v"], { headers }))[0]).toMatchObject({ tenants: ["a", "b"] });
});

test("snappy in the framing of Java's producers", () => {
  const whole = batch(["a", "b"], { compression: "snappy" });
  const block = whole.subarray(61);
  const head = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(block.length);
  const bytes = Buffer.concat([whole.subarray(0, 61), head, length, block]);
  bytes.writeInt32BE(bytes.length - 12, 8);
  expect(plain(read(sealed(bytes)))).toEqual(["0 a", "1 b", "-> 2"]);
});

test("control records are no data", () => {
  const bytes = batch(["a"]);
  bytes.writeInt16BE(0b10_0000, 21);
  expect(plain(read(sealed(bytes)))).toEqual(["-> 1"]);
});

test("a compacted batch ends where its offsets end", () => {
  const bytes = batch(["a"]);
  bytes.writeInt32BE(9, 23);
  expect(plain(read(sealed(bytes)))).toEqual(["0 a", "-> 10"]);
});

describe("what cannot be read is stepped over:", () => {
  test.each<[string, (bytes: Buffer) => Buffer]>([
    [
      "batch checksum",
      (bytes) => {
        bytes[bytes.length - 1]! ^= 1;
        return bytes;
      },
    ],
    [
      "batch format 1, known is 2",
      (bytes) => {
        bytes[16] = 1;
        return bytes;
      },
    ],
    [
      "compression 7",
      (bytes) => {
        bytes.writeInt16BE(7, 21);
        return sealed(bytes);
      },
    ],
    [
      "record cut short",
      (bytes) => {
        bytes.writeInt32BE(1000, 57);
        return sealed(bytes);
      },
    ],
    [
      "record length",
      (bytes) => {
        bytes[61] = 0x7e;
        return sealed(bytes);
      },
    ],
  ])("%s", (problem, harm) => {
    const items = read(Buffer.concat([harm(batch(["a"])), batch(["b"], { base: 1n })]));
    expect(plain(items).slice(-3)).toEqual([
      `-> 1 invalid Kafka records: ${problem}`,
      "1 b",
      "-> 2",
    ]);
  });
});

test("a batch cut short anywhere gives nothing, and those before it all", () => {
  const bytes = Buffer.concat([batch(["a"]), batch(["b"], { base: 1n })]);
  const first = batch(["a"]).length;
  for (let length = 0; length < bytes.length; length++) {
    const expected = length < first ? [] : ["0 a", "-> 1"];
    expect(plain(read(bytes.subarray(0, length)))).toEqual(expected);
  }
});

test("hurt batches, with or without their checksum, give records or an error, and end", () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let round = 0; round < 3000; round++) {
    const compression = CODECS[Math.floor(random() * CODECS.length)]!;
    const bytes = batch(["some text", "b".repeat(50), undefined], {
      compression,
      headers: [["x-scope-orgid", "a"]],
    });
    for (let hurt = 1 + Math.floor(random() * 3); hurt > 0; hurt--) {
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    }
    if (random() < 0.8) sealed(bytes);
    try {
      let items = 0;
      for (const item of readRecordBatches(bytes, 0n)) {
        items++;
        if (item.type === "record") expect(item.value?.length ?? 0).toBeLessThan(70_000_000);
      }
      expect(items).toBeLessThan(1000);
    } catch (e) {
      expect(e).toMatchObject({ kind: "malformed" });
    }
  }
});
