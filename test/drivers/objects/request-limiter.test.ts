import { expect, test } from "vitest";
import { RequestLimiter } from "../../../src/drivers/objects/request-limiter.ts";

const signal = new AbortController().signal;

test("runs as many as allowed, the others in their order", async () => {
  const limiter = new RequestLimiter(3);
  let running = 0;
  let most = 0;
  const started: number[] = [];
  const task = async (i: number) => {
    started.push(i);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
    if (i % 5 === 0) throw new Error("failed");
  };
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) => limiter.run(signal, () => task(i))),
  );
  expect(most).toBe(3);
  expect(started).toEqual(Array.from({ length: 50 }, (_, i) => i));
  expect(results.filter((result) => result.status === "rejected")).toHaveLength(10);
});

test("who is aborted while waiting leaves the line, and nobody is forgotten", async () => {
  const limiter = new RequestLimiter(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = limiter.run(signal, () => promise);
  const controller = new AbortController();
  const second = limiter.run(controller.signal, async () => "second");
  const third = limiter.run(signal, async () => "third");
  controller.abort();
  await expect(second).rejects.toMatchObject({ kind: "canceled" });
  resolve();
  await first;
  expect(await third).toBe("third");
  const late = limiter.run(controller.signal, async () => "late");
  await expect(late).rejects.toMatchObject({ kind: "canceled" });
});

test("a line without end is refused with a hint", async () => {
  const limiter = new RequestLimiter(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = Array.from({ length: 10_001 }, () => limiter.run(signal, () => promise));
  await expect(limiter.run(signal, () => promise)).rejects.toMatchObject({
    kind: "limited",
    retryAfterMs: expect.any(Number),
  });
  resolve();
  await Promise.all(waiting);
});
