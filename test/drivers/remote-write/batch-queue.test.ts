import { expect, test } from "vitest";
import { BatchQueue, type WriteBatch } from "../../../src/drivers/remote-write/batch-queue.ts";

const MAX_BYTES = 10_000;

function batch(tenant: string, sampleCount: number, bytes = 10): WriteBatch {
  return { tenant, headers: {}, body: new Uint8Array(bytes), sampleCount, exemplarCount: 0 };
}

test("the oldest batch of all tenants makes room for new samples", () => {
  const queue = new BatchQueue({ maxSamples: 10, maxBytes: MAX_BYTES });
  const [a1, b1, a2, c1] = [batch("a", 4), batch("b", 3), batch("a", 3), batch("c", 5)];
  expect([a1, b1, a2].flatMap((each) => queue.push(each))).toEqual([]);
  expect(queue.push(c1)).toEqual([a1, b1]);
  expect(queue.first("a")?.batch).toBe(a2);
  expect(queue.first("b")).toBeUndefined();
});

test("batches under way count, but are not dropped", () => {
  const queue = new BatchQueue({ maxSamples: 10, maxBytes: MAX_BYTES });
  const [a1, a2, a3] = [batch("a", 5), batch("a", 5), batch("a", 6)];
  queue.push(a1);
  queue.first("a")!.underWay = true;
  expect(queue.push(a2)).toEqual([]);
  // Even without the second there is no room for the third.
  expect(queue.push(a3)).toEqual([a2, a3]);
  expect(queue.first("a")?.batch).toBe(a1);
});

test("bodies are bounded, and so is the number of batches without any", () => {
  const queue = new BatchQueue({ maxSamples: 10, maxBytes: MAX_BYTES });
  const [big, next] = [batch("a", 0, 6000), batch("a", 0, 6000)];
  queue.push(big);
  expect(queue.push(next)).toEqual([big]);
  let dropped = 0;
  for (let i = 0; i < 1000; i++) dropped += queue.push(batch("b", 0, 0)).length;
  expect(dropped).toBeGreaterThan(900);
});

test("a batch beyond the bounds goes alone", () => {
  const queue = new BatchQueue({ maxSamples: 10, maxBytes: MAX_BYTES });
  const [small, many, large] = [batch("a", 1), batch("a", 11), batch("a", 1, MAX_BYTES)];
  queue.push(small);
  expect(queue.push(many)).toEqual([many]);
  expect(queue.push(large)).toEqual([large]);
  expect(queue.first("a")?.batch).toBe(small);
});

test("a batch that is gone cannot be removed, and gave its room back once", () => {
  const queue = new BatchQueue({ maxSamples: 10, maxBytes: MAX_BYTES });
  queue.push(batch("a", 10));
  const held = queue.first("a")!;
  expect(queue.clear()).toEqual([held.batch]);
  expect(queue.isEmpty).toBe(true);
  expect(queue.remove(held)).toBe(false);
  expect(queue.push(batch("a", 10))).toEqual([]);
  expect(queue.push(batch("b", 10)).map(({ tenant }) => tenant)).toEqual(["a"]);
});
