import { expect, test } from "vitest";
import { parseFetchResponse } from "../../../src/drivers/kafka/fetch-response.ts";
import { KafkaWriter } from "../../support/kafka-wire.ts";
import { seededRandom, testSeed } from "../../support/random.ts";

/** Two topics; the second partition of the first one has an error and an aborted transaction. */
function aResponse(errorCode = 0): Buffer {
  const out = new KafkaWriter().int32(7).int16(errorCode).int32(9);
  const partition = (number: number, code: number, aborted: number, records: string) => {
    out.int32(number).int16(code).int64(40n).int64(41n).int64(2n);
    if (aborted < 0) out.int32(-1);
    else out.array(Array.from({ length: aborted }), () => out.int64(1n).int64(2n));
    out.int32(-1).bytes(Buffer.from(records));
  };
  out.int32(2);
  out.string("a").int32(2);
  partition(0, 0, -1, "records");
  partition(3, 6, 2, "");
  out.string("b").int32(1);
  partition(1, 0, 0, "more");
  return out.finish();
}

test("partitions with their records, errors and ends", () => {
  const found = parseFetchResponse(aResponse()).map(({ records, ...rest }) => ({
    ...rest,
    records: new TextDecoder().decode(records),
  }));
  const highWatermark = 40n;
  expect(found).toEqual([
    { topic: "a", partition: 0, errorCode: 0, highWatermark, records: "records" },
    { topic: "a", partition: 3, errorCode: 6, highWatermark, records: "" },
    { topic: "b", partition: 1, errorCode: 0, highWatermark, records: "more" },
  ]);
});

test("an error of the whole request is thrown", () => {
  expect(() => parseFetchResponse(aResponse(70))).toThrow("fetch failed with Kafka's error 70");
});

test("a response cut short anywhere is an error", () => {
  const bytes = aResponse();
  for (let length = 0; length < bytes.length; length++) {
    expect(() => parseFetchResponse(bytes.subarray(0, length))).toThrow(RangeError);
  }
});

test("hurt responses give partitions or an error, and end", () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  for (let round = 0; round < 20_000; round++) {
    const bytes = aResponse();
    for (let hurt = 1 + Math.floor(random() * 4); hurt > 0; hurt--) {
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    }
    try {
      expect(parseFetchResponse(bytes).length).toBeLessThan(100);
    } catch (e) {
      expect(e).toBeInstanceOf(Error);
    }
  }
});
