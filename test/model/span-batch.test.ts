import { expect, test } from "vitest";
import { makeRequests } from "../../bench/workload.ts";
import { SpanBatch } from "../../src/model/span-batch.ts";
import { OtlpDecoder } from "../../src/receivers/otlp/decode.ts";
import { readBatch } from "../support/read-batch.ts";

test("a batch that was reset holds the next spans as a new one does", () => {
  const [first, second] = [
    makeRequests({ spans: 3000, seed: 1 }),
    makeRequests({ spans: 900, seed: 2 }),
  ];
  const fill = (batch: SpanBatch, bodies: readonly Uint8Array[]) => {
    const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 0 });
    for (const body of bodies) decoder.decode(body);
    return readBatch(batch);
  };
  const reused = new SpanBatch(7);
  const before = fill(reused, first);
  reused.reset();
  expect(readBatch(reused)).toEqual([]);
  expect(fill(reused, second)).toEqual(fill(new SpanBatch(8), second));
  reused.reset();
  expect(fill(reused, first)).toEqual(before);
});
