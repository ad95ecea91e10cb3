import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { nestedSets } from "../../../src/storage/segments/nested-sets.ts";
import { orderSpans } from "../../../src/storage/segments/span-order.ts";
import { aSpan, batchOf, spanIdOf, traceIdOf } from "../../support/batch-builder.ts";
import { type PlainSpan, readBatch } from "../../support/read-batch.ts";
import { naiveNestedSets } from "./naive-nested-sets.ts";

/** The nested sets of a single trace in row order, beside its spans. */
function numbered(spans: readonly PlainSpan[]) {
  const batch = batchOf(spans);
  const order = orderSpans(batch);
  const { left, right, parent, childCount } = nestedSets(batch, order);
  const plain = readBatch(batch);
  return Array.from(order.spans, (span, row) => ({
    span: plain[span]!,
    set: {
      left: left[row]!,
      right: right[row]!,
      parent: parent[row]!,
      childCount: childCount[row]!,
    },
  }));
}

/** `name` → [left, right, parent, childCount] */
function byName(spans: readonly PlainSpan[]): Record<string, number[]> {
  return Object.fromEntries(
    numbered(spans).map(({ span, set }) => [
      span.name,
      [set.left, set.right, set.parent, set.childCount],
    ]),
  );
}

const BIG = 100_000;

/** One trace of spans 1 to BIG, all starting together; `parentOf` gives each one's parent, or 0. */
function bigTrace(parentOf: (id: number) => number) {
  const batch = new SpanBatch(1);
  const trace = batch.internTrace(new Uint8Array(16).fill(1), 0);
  batch.closeResource(0, 0, 0);
  batch.closeScope(0, 0, 0, 0);
  for (let id = BIG; id > 0; id--) {
    const row = batch.openSpan();
    batch.traceIndex[row] = trace;
    batch.spanId[2 * row] = id;
    batch.parentSpanId[2 * row] = parentOf(id);
    batch.closeSpan();
  }
  return nestedSets(batch, orderSpans(batch));
}

const T0 = 1_767_225_600_000_000_000n;
const at = (ms: number) => T0 + BigInt(ms) * 1_000_000n;
const span = (name: string, id: number, parent: number, startMs: number, kind = 1) =>
  aSpan({
    name,
    kind,
    spanId: spanIdOf(id),
    parentSpanId: parent === 0 ? "" : spanIdOf(parent),
    startUnixNano: at(startMs),
  });

describe("nestedSets", () => {
  it("numbers the worked example", () => {
    const spans = [
      span("S6", 6, 9, 900),
      span("S5", 5, 3, 450),
      span("S4", 4, 3, 320),
      span("S3", 3, 1, 300),
      span("S2", 2, 1, 50),
      span("S1", 1, 0, 0),
      { ...span("S7", 7, 0, 61_000), traceId: traceIdOf(0xb2) },
    ];
    expect(byName(spans)).toEqual({
      S1: [1, 10, -1, 2],
      S2: [2, 3, 1, 0],
      S3: [4, 9, 1, 2],
      S4: [5, 6, 4, 0],
      S5: [7, 8, 4, 0],
      S6: [0, 0, 0, 0],
      S7: [1, 2, -1, 0],
    });
  });

  it("goes on counting at a second root, and takes the earlier first", () => {
    expect(byName([span("late", 1, 0, 5), span("early", 2, 0, 1), span("child", 3, 1, 6)])).toEqual(
      {
        early: [1, 2, -1, 0],
        late: [3, 6, -1, 1],
        child: [4, 5, 3, 0],
      },
    );
  });

  it("finds the other copy of a shared span id by kind", () => {
    const spans = [
      span("root", 1, 0, 0),
      span("client", 2, 1, 1, 3),
      span("server", 2, 2, 2, 2),
      span("inner", 3, 2, 3, 1),
    ];
    expect(byName(spans)).toEqual({
      root: [1, 8, -1, 1],
      client: [2, 7, 1, 1],
      server: [3, 6, 2, 1],
      inner: [4, 5, 3, 0],
    });
  });

  it("gives up on a trace in which an id occurs three times", () => {
    const spans = [span("root", 1, 0, 0), ...[1, 2, 3].map((n) => span(`${n}`, 2, 1, n))];
    expect(Object.values(byName(spans))).toEqual(Array(4).fill([0, 0, 0, 0]));
  });

  it("leaves a trace without root at zero, counts children of orphans otherwise", () => {
    expect(byName([span("a", 1, 9, 0), span("b", 2, 1, 1)])).toEqual({
      a: [0, 0, 0, 0],
      b: [0, 0, 0, 0],
    });
    expect(byName([span("root", 3, 0, 0), span("a", 1, 9, 0), span("b", 2, 1, 1)])).toEqual({
      root: [1, 2, -1, 0],
      a: [0, 0, 0, 1],
      b: [0, 0, 0, 0],
    });
  });

  it("numbers a chain of 100000 spans", () => {
    const { left, right, parent, childCount } = bigTrace((id) => id - 1);
    const last = BIG - 1;
    expect([left[0], right[0], parent[0], childCount[0]]).toEqual([1, 2 * BIG, -1, 1]);
    expect([left[last], right[last], parent[last], childCount[last]]).toEqual([
      BIG,
      BIG + 1,
      last,
      0,
    ]);
  });

  it("is not caught in a ring of 100000 spans, nor by a span that is its own parent", () => {
    // Span 1 is the root, span 2 its own parent, the others have a ring of their own.
    const { left, childCount } = bigTrace((id) =>
      id <= 2 ? 2 * (id - 1) : id === 3 ? BIG : id - 1,
    );
    expect(left.filter((bound) => bound !== 0)).toEqual(Int32Array.of(1));
    expect(childCount.filter((count) => count === 1)).toHaveLength(BIG - 2);
  });

  it("numbers 100000 children of one span", () => {
    const { left, right, childCount } = bigTrace((id) => (id === 1 ? 0 : 1));
    expect([left[0], right[0], childCount[0]]).toEqual([1, 2 * BIG, BIG - 1]);
    expect([left[BIG - 1], right[BIG - 1]]).toEqual([2 * BIG - 2, 2 * BIG - 1]);
  });

  it("agrees with the definition on any tangle", () => {
    const someSpan = (ids: number) =>
      fc.record({
        id: fc.integer({ min: 1, max: ids }),
        parent: fc.integer({ min: 0, max: ids }),
        start: fc.nat(5),
        kind: fc.constantFrom(1, 2, 3),
        isRoot: fc.boolean(),
      });
    const tangles = fc
      .tuple(fc.constantFrom(3, 10, 40, 400), fc.integer({ min: 1, max: 60 }))
      .chain(([ids, count]) => fc.array(someSpan(ids), { minLength: 1, maxLength: count }));
    fc.assert(
      fc.property(tangles, (tangle) => {
        const rows = numbered(
          tangle.map((s) => span("x", s.id, s.isRoot ? 0 : s.parent, s.start, s.kind)),
        );
        expect(rows.map(({ set }) => set)).toEqual(naiveNestedSets(rows.map((r) => r.span)));
      }),
      { numRuns: 300 },
    );
  });
});
