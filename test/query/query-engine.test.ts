import { afterEach, beforeEach, expect, test } from "vitest";
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

test("an aborted request interrupts its query", async () => {
  const controller = new AbortController();
  const run = store
    .engine()
    .run({ tenants, timeoutMs: 0, signal: controller.signal }, (r) => r.rows(ENDLESS));
  setTimeout(() => controller.abort(), 50);
  await expect(run).rejects.toMatchObject({ kind: "canceled" });
});

test("a query's own time bound is a timeout", async () => {
  const run = store.engine().run({ tenants, timeoutMs: 50 }, (r) => r.rows(ENDLESS));
  await expect(run).rejects.toMatchObject({ kind: "timeout" });
});

test("the time bound covers all statements of a query together", async () => {
  const run = store.engine().run({ tenants, timeoutMs: 30 }, async (r) => {
    for (;;) await r.rows("SELECT 1");
  });
  await expect(run).rejects.toMatchObject({ kind: "timeout" });
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
