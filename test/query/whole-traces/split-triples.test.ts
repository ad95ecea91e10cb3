import { afterEach, beforeEach, expect, test } from "vitest";
import type { QueryEngine } from "../../../src/query/query-context.ts";
import { SplitTriples } from "../../../src/query/whole-traces/split-triples.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { batchOf } from "../../support/batch-builder.ts";
import type { PlainSpan } from "../../support/read-batch.ts";
import { SegmentStore } from "../segment-store.ts";
import { spanAt } from "./split-spans.ts";

let store: SegmentStore;
let engine: QueryEngine;
let triples: SplitTriples;
beforeEach(async () => {
  store = await SegmentStore.open();
  engine = store.engine();
  triples = new SplitTriples();
});
afterEach(async () => {
  await store.close();
});

const TENANT = "single-tenant";
const HOUR = 3_600_000;

const add = (spans: PlainSpan[], level = 1) => store.addBatch(batchOf(spans), { level });

/** Of the slice, by default all segments; which segments the statements for it named. */
async function ask(slice?: readonly SegmentMeta[]): Promise<{ found: boolean; read: number[] }> {
  store.statements.length = 0;
  const found = await engine.run({ tenants: [TENANT], timeoutMs: 0 }, async (run) => {
    const all = run.segments(TENANT);
    return await triples.areIn(run, slice ?? all, all);
  });
  const ids = store.statements.flatMap((sql) => [...sql.matchAll(/01SEGMENT(\d+)/g)]);
  const read = [...new Set(ids.map(([, id]) => Number(id)))].sort((a, b) => a - b);
  return { found, read };
}

const found = async (slice?: readonly SegmentMeta[]): Promise<boolean> => (await ask(slice)).found;

/** A root of trace 1. */
const root = (id: number, kind: number, atMs: number) => spanAt(1, id, 0, atMs, { kind });

for (const level of [0, 1]) {
  test(`three spans of one id in three segments of level ${level} are found`, async () => {
    for (const kind of [1, 2, 3])
      await add([root(7, kind, kind), spanAt(kind + 1, 1, 0, 0)], level);
    expect(await found()).toBe(true);
  });

  test(`so are two in one and a third in another of level ${level}`, async () => {
    await add([root(7, 1, 0), root(7, 2, 1)], level);
    await add([root(7, 3, 2)], level);
    expect(await found()).toBe(true);
  });
}

test("two spans of one id are none, and three in one segment its own affair", async () => {
  await add([root(7, 2, 0), root(8, 2, 1)]);
  await add([root(7, 3, 2), root(9, 3, 3)]);
  expect(await found()).toBe(false);
  store.clear();
  await add([root(7, 1, 0), root(7, 2, 1), root(7, 3, 2)]);
  await add([root(8, 1, 0)]);
  expect(await found()).toBe(false);
});

test("a span that was sent three times is one", async () => {
  for (let copy = 0; copy < 3; copy++) await add([root(7, 2, 0), root(20 + copy, 1, 1)]);
  expect(await found()).toBe(false);
});

test("only where parts of such a trace are", async () => {
  const parts = [];
  for (const kind of [1, 2, 3]) parts.push(await add([root(7, kind, kind)]));
  const later = await add([spanAt(2, 7, 0, HOUR)]);
  for (const part of parts) expect(await found([part])).toBe(true);
  expect(await found([later])).toBe(false);
});

test("a segment is read once, a later one with its neighbours", async () => {
  const first = await add([root(7, 1, 0)]);
  await add([root(7, 2, 1)]);
  await add([spanAt(2, 1, 0, HOUR)]);
  expect(await ask()).toEqual({ found: false, read: [0, 1] });
  expect(await ask()).toEqual({ found: false, read: [] });
  await add([root(7, 3, 2)]);
  // It is none of the slice, but a part of one of its traces.
  expect(await ask([first])).toEqual({ found: true, read: [0, 1, 3] });
  expect(await ask([first])).toEqual({ found: true, read: [] });
});

test("beyond the limits none are looked for", async () => {
  for (const kind of [1, 2, 3]) await add([root(7, kind, kind), spanAt(2, kind, 0, 0)]);
  for (const limits of [
    { maxTraces: 1, maxRows: 100 },
    { maxTraces: 100, maxRows: 2 },
  ]) {
    triples = new SplitTriples(limits);
    expect(await found()).toBe(false);
    expect((await ask()).read).toEqual([]);
  }
  triples = new SplitTriples({ maxTraces: 2, maxRows: 6 });
  expect(await found()).toBe(true);
});
