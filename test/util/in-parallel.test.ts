import { expect, test } from "vitest";
import { inParallel } from "../../src/util/in-parallel.ts";

const later = () => new Promise((resolve) => setTimeout(resolve, 2));

test("works on so many at a time, in their order", async () => {
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  await inParallel([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    begun.push(item);
    most = Math.max(most, ++running);
    await later();
    running--;
  });
  expect(begun).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect([most, running]).toEqual([3, 0]);
});

test("rejects with the first failure once what was under way has ended, and begins no more", async () => {
  const begun: number[] = [];
  let running = 0;
  const done = inParallel([1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item);
    running++;
    await later();
    running--;
    throw new Error(`failure of ${item}`);
  });
  await expect(done).rejects.toThrow("failure of 1");
  expect(begun).toEqual([1, 2]);
  expect(running).toBe(0);
});
