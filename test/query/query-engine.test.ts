import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { untilAborted } from "../support/until-aborted.ts";
import { SegmentStore } from "./segment-store.ts";

/** Many minutes of work for any machine. */
const ENDLESS =
  "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE hash(a.range, b.range) = 1";

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(async () => {
  await store.close();
});

const tenants = ["single-tenant"];

test("an aborted request interrupts its statement and frees its place within a second", async () => {
  store.settings = { ...store.settings, maxConcurrentQueries: 1 };
  const controller = new AbortController();
  const engine = store.engine();
  const run = engine.run({ tenants, timeoutMs: 0, signal: controller.signal }, (r) =>
    r.rows(ENDLESS),
  );
  const next = engine.run({ tenants, timeoutMs: 0 }, (r) => r.rows("SELECT 1"));
  let abortedMs = 0;
  setTimeout(() => {
    abortedMs = performance.now();
    controller.abort();
  }, 200);
  await expect(run).rejects.toMatchObject({ kind: "canceled" });
  expect(await next).toEqual([[1]]);
  expect(abortedMs).toBeGreaterThan(0);
  expect(performance.now() - abortedMs).toBeLessThan(1000);
});

test("a query's own time bound is a timeout", async () => {
  const run = store.engine().run({ tenants, timeoutMs: 50 }, (r) => r.rows(ENDLESS));
  await expect(run).rejects.toMatchObject({
    kind: "timeout",
    message: "context deadline exceeded",
  });
});

test("the time bound covers all statements of a query together", async () => {
  const run = store.engine().run({ tenants, timeoutMs: 30 }, async (r) => {
    for (;;) await r.rows("SELECT 1");
  });
  await expect(run).rejects.toMatchObject({ kind: "timeout" });
});

test("the time bound covers the cut before the query, and its place is free again", async () => {
  store.settings = { ...store.settings, maxConcurrentQueries: 1, apiTimeoutMs: 0 };
  const engine = store.engine();
  store.onCut = untilAborted;
  const run = engine.run({ tenants, timeoutMs: 50 }, (r) => r.rows("SELECT 1"));
  await expect(run).rejects.toMatchObject({
    kind: "timeout",
    message: "context deadline exceeded",
  });
  store.onCut = async () => {};
  expect(await engine.run({ tenants, timeoutMs: 0 }, (r) => r.rows("SELECT 1"))).toEqual([[1]]);
});

test("the whole request's time bound covers the cut of a query without one of its own", async () => {
  store.settings = { ...store.settings, apiTimeoutMs: 50 };
  store.onCut = untilAborted;
  const run = store.engine().run({ tenants, timeoutMs: 0 }, (r) => r.rows("SELECT 1"));
  await expect(run).rejects.toMatchObject({ kind: "unavailable" });
});

test("the whole request's time bound is unavailable, in Tempo's words", async () => {
  store.settings = { ...store.settings, apiTimeoutMs: 50 };
  const run = store.engine().run({ tenants, timeoutMs: 0 }, (r) => r.rows(ENDLESS));
  await expect(run).rejects.toMatchObject({
    kind: "unavailable",
    message: "unable to process request in the configured timeout",
  });
});

test("one attempt sees one view of the catalog", async () => {
  let snapshots = 0;
  store.onSnapshot = () => {
    snapshots++;
  };
  await store.engine().run({ tenants, timeoutMs: 0 }, async (r) => {
    r.segments("single-tenant");
    r.segments("single-tenant");
  });
  expect(snapshots).toBe(1);
});

describe("long work on the main thread", () => {
  const items = Array.from({ length: 20 }, (_, i) => i);
  const busy = (): void => {
    const end = performance.now() + 8;
    while (performance.now() < end);
  };

  test("lets others have the thread", async () => {
    const seen: (number | "other")[] = [];
    setTimeout(() => seen.push("other"));
    await store.engine().run({ tenants, timeoutMs: 0 }, (r) =>
      r.forEach(items, (item) => {
        seen.push(item);
        busy();
      }),
    );
    expect(seen.filter((one) => one !== "other")).toEqual(items);
    expect(seen.indexOf("other")).toBeLessThan(items.length);
  });

  test("lets others have the thread also when it begins with quick items", async () => {
    const quick = 100;
    let slow = 0;
    let slowBefore: number | undefined;
    setTimeout(() => {
      slowBefore = slow;
    });
    const all = Array.from({ length: quick + 40 }, (_, i) => i);
    await store.engine().run({ tenants, timeoutMs: 0 }, (r) =>
      r.forEach(all, (item) => {
        if (item < quick) return;
        slow++;
        busy();
      }),
    );
    expect(slow).toBe(40);
    // Those that go by unseen, and those of one turn.
    expect(slowBefore).toBeLessThanOrEqual(16 + 3);
  });

  test("ends with its request", async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    const run = store.engine().run({ tenants, timeoutMs: 0, signal: controller.signal }, (r) =>
      r.forEach(items, (item) => {
        seen.push(item);
        controller.abort();
        busy();
      }),
    );
    await expect(run).rejects.toMatchObject({ kind: "canceled" });
    expect(seen.length).toBeLessThan(items.length);
  });
});
