import { afterEach, beforeEach, expect, test } from "vitest";
import type { QueryRun } from "../../../src/query/query-context.ts";
import { overlaySlice } from "../../../src/query/whole-traces/open-overlay.ts";
import { aService, aSpan, batchOf, spanIdOf, traceIdOf } from "../../support/batch-builder.ts";
import type { PlainSpan } from "../../support/read-batch.ts";
import { SegmentStore } from "../segment-store.ts";

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(async () => {
  await store.close();
});

const run = <T>(work: (run: QueryRun) => Promise<T>): Promise<T> =>
  store.engine().run({ tenants: ["single-tenant"], timeoutMs: 0 }, work);

const T0 = 1_767_225_600_000_000_000n;
const MS = 1_000_000n;
const span = (
  trace: number,
  id: number,
  parent: number,
  atMs: number,
  over: Partial<PlainSpan> = {},
) =>
  aSpan({
    traceId: traceIdOf(trace),
    spanId: spanIdOf(id),
    parentSpanId: parent === 0 ? "" : spanIdOf(parent),
    startUnixNano: T0 + BigInt(atMs) * MS,
    endUnixNano: T0 + BigInt(atMs + 10) * MS,
    name: `op${id}`,
    resource: aService(`service${id}`),
    ...over,
  });

const COLUMNS = `trace_id, span_id, kind, start_time, trace_start, trace_duration_ns, root_service_name,
  root_span_name, nested_left, nested_right, nested_parent, child_count`;
const ORDER = "ORDER BY trace_id, start_time, span_id, kind, duration_ns";

test("a trace of two segments has the columns of one", async () => {
  const first = [span(1, 1, 0, 0), span(1, 2, 1, 1), span(2, 1, 0, 2)];
  const second = [span(1, 3, 2, 20), span(1, 4, 1, 30)];
  await store.addBatch(batchOf(first));
  await store.addBatch(batchOf(second));
  const whole = await run(async (r) => {
    const all = r.segments("single-tenant");
    await using overlay = await overlaySlice(r, all, all);
    expect(overlay.splitTraceCount).toBe(1);
    return await r.rows(`SELECT ${COLUMNS} FROM ${overlay.from(all)} ${ORDER}`);
  });
  store.clear();
  await store.addBatch(batchOf([...first, ...second]));
  const one = await run(async (r) => {
    const all = r.segments("single-tenant");
    await using overlay = await overlaySlice(r, all, all);
    expect(overlay.splitTraceCount).toBe(0);
    return await r.rows(`SELECT ${COLUMNS} FROM ${overlay.from(all)} ${ORDER}`);
  });
  expect(whole).toEqual(one);
  expect(whole.map((row) => row[8])).toEqual([1, 2, 3, 6, 1]);
});
