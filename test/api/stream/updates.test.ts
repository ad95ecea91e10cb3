import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { updates } from "../../../src/api/stream/updates.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

type Tell = (partial: number[]) => Promise<void>;

const rules = (signal = new AbortController().signal) => ({
  merge: (a: number[], b: number[]) => [...a, ...b],
  hasContent: (partial: number[]) => partial.length > 0,
  signal,
});

/** Starts reading; `events` fills as updates come. */
function read(work: (tell: Tell, signal: AbortSignal) => Promise<string>, signal?: AbortSignal) {
  const events: unknown[] = [];
  const generator = updates(work, rules(signal));
  const done = (async () => {
    for await (const update of generator) {
      events.push(update.type === "partial" ? update.partial : update.result);
    }
  })();
  done.catch(() => {});
  return { events, done, generator };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test("the first partial result comes at once, later ones at most every 500 ms, merged", async () => {
  const { events, done } = read(async (tell) => {
    for (let i = 1; i <= 12; i++) {
      await tell([i]);
      await sleep(100);
    }
    return "all";
  });
  await pass(0);
  expect(events).toEqual([[1]]);
  await pass(499);
  expect(events).toEqual([[1]]);
  await pass(1);
  expect(events.length).toBe(2);
  await pass(5000);
  await done;
  expect(events.at(-1)).toBe("all");
  expect(events.length).toBe(4);
  // Each once, in order; the last ones are in the result.
  const told = events.slice(0, -1).flat();
  expect(told.length).toBeGreaterThan(8);
  expect(told).toEqual(told.map((_, i) => i + 1));
});

test("the first content does not wait behind news of mere progress", async () => {
  const { events } = read(async (tell) => {
    await tell([]);
    await sleep(100);
    await tell([]);
    await sleep(100);
    await tell([1]);
    await sleep(10_000);
    return "all";
  });
  await pass(150);
  expect(events).toEqual([[]]);
  await pass(60);
  expect(events).toEqual([[], [1]]);
});

test("a fast query gives its result only", async () => {
  const { events, done } = read(async () => "all");
  await done;
  expect(events).toEqual(["all"]);
});

test("an error ends the updates", async () => {
  const { done } = read(async () => {
    throw new Error("broken");
  });
  await expect(done).rejects.toThrow("broken");
});

test("a reader that waits does not hold up the query, and gets everything", async () => {
  let finished = false;
  const generator = updates<number[], string>(async (tell) => {
    for (let i = 1; i <= 5; i++) await tell([i]);
    await sleep(1000);
    finished = true;
    return "all";
  }, rules());
  expect((await generator.next()).value).toMatchObject({ type: "partial" });
  await pass(1000);
  expect(finished).toBe(true);
  expect((await generator.next()).value).toEqual({ type: "result", result: "all" });
  expect((await generator.next()).done).toBe(true);
});

test("a reader that stops, or the caller's signal, aborts the query", async () => {
  const seen: AbortSignal[] = [];
  const work = async (tell: Tell, signal: AbortSignal) => {
    seen.push(signal);
    await tell([1]);
    return await new Promise<string>((_, reject) =>
      signal.addEventListener("abort", () => reject(new Error("stopped"))),
    );
  };
  const generator = updates(work, rules());
  await generator.next();
  await generator.return();
  expect(seen[0]?.aborted).toBe(true);
  const caller = new AbortController();
  const { done } = read(work, caller.signal);
  await pass(0);
  caller.abort();
  await expect(done).rejects.toThrow("stopped");
});
