import { afterEach, beforeEach, expect, test } from "vitest";
import type { SqlValue } from "../../../src/drivers/duckdb/database.ts";
import type { QueryRun } from "../../../src/query/query-context.ts";
import { findTraceParts } from "../../../src/query/trace-parts.ts";
import { overlaySlice, overlayTraces } from "../../../src/query/whole-traces/open-overlay.ts";
import type { OverlaySlice, TraceOverlay } from "../../../src/query/whole-traces/trace-overlay.ts";
import type { SegmentMeta, SegmentSummary } from "../../../src/schema/segment-meta.ts";
import { aService, batchOf, traceIdOf } from "../../support/batch-builder.ts";
import type { PlainAttribute, PlainSpan } from "../../support/read-batch.ts";
import { SegmentStore } from "../segment-store.ts";
import { childOfLink, MS, mergedSpans, spanAt, T0 } from "./split-spans.ts";

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(async () => {
  // Whatever a test does, nothing stays in the database.
  expect(await store.database.rows("SELECT count(*) FROM duckdb_tables()")).toEqual([[0n]]);
  await store.close();
});

const TENANT = "single-tenant";
const SECOND = 1000;
const COLUMNS = `trace_id, span_id, kind, start_time, duration_ns, trace_start, trace_duration_ns,
  root_service_name, root_span_name, nested_left, nested_right, nested_parent, child_count`;
const ORDER = "ORDER BY trace_id, start_time, span_id, kind, duration_ns";

async function run<T>(work: (run: QueryRun) => Promise<T>): Promise<T> {
  return await store.engine().run({ tenants: [TENANT], timeoutMs: 0 }, work);
}

/** What `work` makes of an overlay over `slice`, by default over all segments. */
async function withOverlay<T>(
  work: (overlay: TraceOverlay, r: QueryRun) => Promise<T>,
  slice?: readonly SegmentSummary[],
): Promise<T> {
  return await run(async (r) => {
    const all = r.segments(TENANT);
    const overlay = await overlaySlice(r, slice ?? all, all);
    try {
      return await work(overlay, r);
    } finally {
      await overlay[Symbol.asyncDispose]();
    }
  });
}

const rowsOf = (overlay: TraceOverlay, r: QueryRun): Promise<SqlValue[][]> =>
  r.rows(`SELECT ${COLUMNS} FROM ${overlay.from(overlay.segments)} ${ORDER}`);

async function add(...segments: PlainSpan[][]): Promise<SegmentMeta[]> {
  const metas: SegmentMeta[] = [];
  for (const spans of segments) metas.push(await store.addBatch(batchOf(spans)));
  return metas;
}

async function rowsOfOneSegment(spans: PlainSpan[]): Promise<SqlValue[][]> {
  store.clear();
  await add(spans);
  return await withOverlay(async (overlay, r) => {
    expect(overlay.splitTraceCount).toBe(0);
    return await rowsOf(overlay, r);
  });
}

function bound(slice: OverlaySlice) {
  return { segments: slice.segments, from: slice.from.bind(slice) };
}

const other = spanAt(2, 1, 0, 3);

test.each<[string, PlainSpan[][]]>([
  ["a child in the second", [[spanAt(1, 1, 0, 0), other], [spanAt(1, 2, 1, 5)]]],
  ["the root in the second", [[spanAt(1, 2, 1, 5), other], [spanAt(1, 1, 0, 0)]]],
  [
    "a chain over four",
    [[spanAt(1, 1, 0, 0)], [spanAt(1, 3, 2, 2), other], [spanAt(1, 2, 1, 1)], [spanAt(1, 4, 3, 3)]],
  ],
  [
    "a late child, and one whose parent is nowhere",
    [[spanAt(1, 1, 0, 0)], [spanAt(1, 2, 1, 20 * SECOND), spanAt(1, 3, 77, 4), other]],
  ],
  [
    "several roots, the first in the last",
    [[spanAt(1, 5, 0, 7)], [spanAt(1, 6, 5, 8)], [spanAt(1, 1, 0, 2), spanAt(1, 2, 1, 3)]],
  ],
  ["no root at all", [[spanAt(1, 2, 1, 0)], [spanAt(1, 3, 2, 1)]]],
  [
    "a client and a server that share an id",
    [
      [spanAt(1, 1, 0, 0), spanAt(1, 2, 1, 1, { kind: 3 })],
      [spanAt(1, 2, 2, 2, { kind: 2 }), spanAt(1, 3, 2, 3)],
    ],
  ],
  [
    "an id that three spans have",
    [
      [spanAt(1, 1, 0, 0), spanAt(1, 2, 1, 1, { kind: 3 })],
      [spanAt(1, 2, 1, 2, { kind: 2 }), spanAt(1, 2, 1, 3, { kind: 4 })],
    ],
  ],
  ["a span in both", [[spanAt(1, 1, 0, 0), spanAt(1, 2, 1, 1)], [spanAt(1, 2, 1, 1)]]],
  [
    "a span in both that ends later in one",
    [
      [spanAt(1, 1, 0, 0, { endUnixNano: T0 + 99n * MS })],
      [spanAt(1, 1, 0, 0), spanAt(1, 2, 1, 1)],
    ],
  ],
  [
    "a child that only a link gives away, before the root",
    [[spanAt(1, 1, 0, 0, { links: [childOfLink(1)] })], [spanAt(1, 2, 0, 5), spanAt(1, 3, 2, 6)]],
  ],
  [
    "a link to another trace, which makes no child",
    [[spanAt(1, 1, 0, 0, { links: [childOfLink(2)] })], [spanAt(1, 2, 0, 5)]],
  ],
])("a trace with %s has the columns of one segment", async (_, segments) => {
  await add(...segments);
  const rows = await withOverlay((overlay, r) => {
    expect(overlay.splitTraceCount).toBe(1);
    return rowsOf(overlay, r);
  });
  expect(rows).toEqual(await rowsOfOneSegment(mergedSpans(segments)));
});

test("a span that was sent twice counts once, as a child and as a row", async () => {
  await add([spanAt(1, 1, 0, 0), spanAt(1, 2, 1, 1)], [spanAt(1, 2, 1, 1), spanAt(1, 3, 2, 2)]);
  await withOverlay(async (overlay, r) => {
    const rows = await r.rows(
      `SELECT span_id, nested_left, nested_right, nested_parent, child_count
        FROM ${overlay.from(overlay.segments)} ORDER BY span_id`,
    );
    expect(rows).toEqual([
      [1n, 1, 6, -1, 1],
      [2n, 2, 5, 1, 1],
      [3n, 3, 4, 2, 0],
    ]);
  });
});

test("without split traces the segments are read as they are, and nothing is made", async () => {
  await add([spanAt(1, 1, 0, 0)], [spanAt(2, 1, 0, 1)]);
  await withOverlay(async (overlay, r) => {
    expect(overlay.from(overlay.segments)).not.toMatch(/JOIN|UNION/);
    expect(overlay.segments.some((meta) => overlay.isOverlaid(meta))).toBe(false);
    expect(await r.rows("SELECT count(*) FROM duckdb_tables()")).toEqual([[0n]]);
  });
});

test("a slice has its traces' parts from other segments, and nothing else of these", async () => {
  const [old, middle, fresh] = await add(
    [spanAt(1, 1, 0, 0), spanAt(3, 1, 0, 1)],
    [spanAt(1, 2, 1, 10 * SECOND), spanAt(2, 1, 0, 11 * SECOND)],
    [spanAt(2, 2, 1, 20 * SECOND), spanAt(4, 1, 0, 21 * SECOND)],
  );
  await withOverlay(
    async (overlay, r) => {
      expect(overlay.segments).toEqual([fresh, middle]);
      expect([fresh, middle, old].map((meta) => overlay.isOverlaid(meta!))).toEqual([
        true,
        true,
        false,
      ]);
      const rows = await rowsOf(overlay, r);
      expect(rows.map(([traceId, spanId]) => [traceId, spanId])).toEqual([
        [traceIdOf(2), 1n],
        [traceIdOf(2), 2n],
        [traceIdOf(4), 1n],
      ]);
      expect(() => overlay.from([old!])).toThrow("is not of this overlay");
      // A group of segments that has nothing to give is still a relation.
      expect(await r.rows(`SELECT count(*) FROM ${overlay.from([middle!])}`)).toEqual([[1n]]);
    },
    [fresh!],
  );
});

test("an overlay serves slice after slice", async () => {
  const metas = await add(
    [spanAt(1, 1, 0, 0), spanAt(3, 1, 0, 1)],
    [spanAt(1, 2, 1, 10 * SECOND), spanAt(2, 1, 0, 11 * SECOND)],
    [spanAt(4, 1, 0, 21 * SECOND)],
  );
  await withOverlay(async (overlay, r) => {
    const idsOf = async (slice: readonly SegmentSummary[]) => {
      const { segments, from } = bound(overlay.sliced(slice));
      const rows = await r.rows(`SELECT trace_id, row_id FROM ${from(segments)} ORDER BY ALL`);
      return rows.map(([traceId, rowId]) => [Number(`0x${traceId}`), rowId]);
    };
    const rowId = (i: number, row: bigint) =>
      (BigInt(overlay.segments.indexOf(metas[i]!)) << 32n) + row;
    // The newest, with the trace that is split elsewhere; its row ids are those of all slices.
    expect(await idsOf([metas[2]!])).toEqual([
      [1, rowId(1, 1n)],
      [1, rowId(0, 1n)],
      [4, rowId(2, 0n)],
    ]);
    expect(await idsOf([metas[2]!, metas[1]!])).toEqual([
      [1, rowId(1, 1n)],
      [1, rowId(0, 1n)],
      [2, rowId(1, 0n)],
      [4, rowId(2, 0n)],
    ]);
    expect(await idsOf(overlay.segments)).toHaveLength(5);
    expect(() => overlay.sliced([{ ...metas[0]! }])).toThrow("is not of this overlay");
  });
});

test("parts follow each other beyond the slice's own neighbours", async () => {
  const segments = [0, 1, 2, 3].map((n) => [
    spanAt(1, n + 1, n, n * 55 * SECOND),
    spanAt(10 + n, 1, 0, n * 55 * SECOND + 1),
  ]);
  const metas = await add(...segments);
  await withOverlay(
    async (overlay, r) => {
      expect(overlay.segments).toHaveLength(4);
      const rows = await rowsOf(overlay, r);
      expect(rows.filter(([traceId]) => traceId === traceIdOf(1))).toHaveLength(4);
      expect(rows).toHaveLength(5);
    },
    [metas[3]!],
  );
});

test("parts of a long trace are found in the middle of other segments", async () => {
  const minute = 60 * SECOND;
  const filler = (trace: number, from: number) =>
    Array.from({ length: 20 }, (_, n) => spanAt(trace + n, 1, 0, from + n * minute));
  const long = spanAt(1, 1, 0, 5 * minute, { endUnixNano: T0 + BigInt(50 * minute) * MS });
  const [first, second] = await add(
    [long, ...filler(100, 0)],
    [spanAt(1, 2, 1, 32 * minute), ...filler(200, 22 * minute)],
    [...filler(300, 44 * minute)],
  );
  for (const slice of [[first!], [second!]]) {
    await withOverlay(async (overlay, r) => {
      expect(overlay.splitTraceCount).toBe(1);
      const rows = await rowsOf(overlay, r);
      expect(rows.filter(([traceId]) => traceId === traceIdOf(1)).map((row) => row[9])).toEqual([
        1, 2,
      ]);
    }, slice);
  }
});

test("conditions apply to the whole trace's columns", async () => {
  await add([spanAt(1, 1, 0, 0), other], [spanAt(1, 2, 1, 5 * SECOND)]);
  await withOverlay(async (overlay, r) => {
    const count = async (where: string) =>
      (
        await r.rows(`SELECT count(*) FROM ${overlay.from(overlay.segments)} AS s WHERE ${where}`)
      )[0]![0];
    expect(await count("root_span_name = 'op1' AND trace_duration_ns > 5000000000")).toBe(2n);
    expect(await count(`epoch_ns(trace_start) = ${T0}`)).toBe(2n);
    expect(await count(`epoch_ns(trace_start) = ${T0 + 5000n * MS}`)).toBe(0n);
    expect(await count("s.nested_parent = 1 AND s.name = 'op2'")).toBe(1n);
  });
});

test("row ids say segment and row, whatever the group that a segment is read in", async () => {
  const metas = await add(
    [spanAt(1, 1, 0, 0), spanAt(2, 1, 0, 5), spanAt(2, 2, 1, 6)],
    [spanAt(1, 2, 1, 1)],
    [spanAt(3, 1, 0, 2)],
  );
  await withOverlay(async (overlay, r) => {
    const ids = async (group: readonly SegmentSummary[]) =>
      (await r.rows(`SELECT row_id FROM ${overlay.from(group)} ORDER BY row_id`)).flat();
    const number = (i: number) => BigInt(overlay.segments.indexOf(metas[i]!)) << 32n;
    expect(await ids([metas[0]!])).toEqual([0n, 1n, 2n].map((row) => number(0) + row));
    const some = await ids([metas[2]!, metas[0]!]);
    expect(new Set(some)).toEqual(
      new Set([0n, 1n, 2n].map((row) => number(0) + row).concat(number(2))),
    );
    expect(new Set(await ids(overlay.segments)).size).toBe(5);
  });
});

test("segments with columns of their own are read together by those they share", async () => {
  const many = (trace: number, id: number, attributes: PlainAttribute[]) =>
    Array.from({ length: 300 }, (_, n) =>
      spanAt(trace + n, id, id - 1, n, { resource: aService("shop", attributes) }),
    );
  const metas = await add(
    many(1, 1, [
      { key: "a", value: "v" },
      { key: "b", value: 7n },
    ]),
    many(1, 2, [
      { key: "a", value: "w" },
      { key: "b", value: "text" },
      { key: "c", value: true },
    ]),
  );
  expect(metas[0]!.optionalColumns).toEqual(expect.arrayContaining(["resource.a", "resource.b"]));
  expect(metas[1]!.optionalColumns).toEqual(expect.arrayContaining(["resource.b", "resource.c"]));
  await withOverlay(async (overlay, r) => {
    expect(overlay.splitTraceCount).toBe(300);
    const rows = await r.rows(
      `SELECT "resource.a", count(*) FROM ${overlay.from(overlay.segments)} GROUP BY 1 ORDER BY 1`,
    );
    expect(rows).toEqual([
      ["v", 300n],
      ["w", 300n],
    ]);
    const apart = await r.rows(
      `SELECT "resource.c", count(*) FROM ${overlay.from([metas[1]!])} GROUP BY 1`,
    );
    expect(apart).toEqual([[true, 300n]]);
  });
});

test("chosen traces are given with all their rows and nothing else", async () => {
  await add(
    [spanAt(1, 1, 0, 0), other, spanAt(5, 1, 0, 4)],
    [spanAt(1, 2, 1, 600 * SECOND), spanAt(6, 1, 0, 601 * SECOND)],
  );
  await run(async (r) => {
    const candidates = [1, 2, 6].map((n) => ({
      traceId: traceIdOf(n),
      startUnixNano: n === 1 ? T0 : n === 2 ? T0 + 3n * MS : T0 + 601_000n * MS,
    }));
    const parts = await findTraceParts(r, r.segments(TENANT), candidates);
    const overlay = await overlayTraces(r, [...parts.values()]);
    const rows = await rowsOf(overlay, r);
    await overlay[Symbol.asyncDispose]();
    expect(rows.map((row) => [row[0], row[1], row[8], row[9]])).toEqual([
      [traceIdOf(1), 1n, "op1", 1],
      [traceIdOf(1), 2n, "op1", 2],
      [traceIdOf(2), 1n, "op1", 1],
      [traceIdOf(6), 1n, "op1", 1],
    ]);
  });
});

test("no traces are an overlay of no segments", async () => {
  await run(async (r) => {
    const overlay = await overlayTraces(r, []);
    expect(overlay.segments).toEqual([]);
    await overlay[Symbol.asyncDispose]();
  });
});

test("too many traces or rows are refused", async () => {
  await add([spanAt(1, 1, 0, 0), spanAt(2, 1, 0, 0)], [spanAt(1, 2, 1, 1), spanAt(2, 2, 1, 1)]);
  const refused = (limits: { maxTraces: number; maxRows: number }) =>
    run(async (r) => {
      const all = r.segments(TENANT);
      await expect(overlaySlice(r, all, all, limits)).rejects.toMatchObject({ kind: "limited" });
    });
  await refused({ maxTraces: 1, maxRows: 100 });
  await refused({ maxTraces: 2, maxRows: 3 });
});

test("a canceled query leaves nothing behind", async () => {
  const spans = Array.from({ length: 3000 }, (_, n) => spanAt(n, 1, 0, n));
  await add(
    spans,
    spans.map((span) => ({ ...span, spanId: "00000000000000ff" })),
  );
  for (const afterMs of [0, 5, 20, 40]) {
    const controller = new AbortController();
    const options = { tenants: [TENANT], timeoutMs: 0, signal: controller.signal };
    setTimeout(() => controller.abort(), afterMs);
    await store
      .engine()
      .run(options, async (r) => {
        const all = r.segments(TENANT);
        for (;;) await (await overlaySlice(r, all, all))[Symbol.asyncDispose]();
      })
      .then(
        () => expect.unreachable(),
        (error: unknown) => expect(error).toMatchObject({ kind: "canceled" }),
      );
  }
});
