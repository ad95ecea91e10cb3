import { aService, aSpan, spanIdOf, traceIdOf } from "../support/batch-builder.ts";
import type { PlainSpan } from "../support/read-batch.ts";
import type { NamedSpans } from "./examples.ts";
import { attributesOf, strings, T0 } from "./worked-data.ts";

/** Traces as senders should not send them: what engine and oracle once saw differently. */
type Shape = {
  readonly trace: number;
  readonly id: number;
  readonly parent?: number;
  readonly startMs: number;
  readonly kind?: number;
  readonly more?: Partial<PlainSpan>;
};

function span(name: string, { trace, id, parent, startMs, kind = 1, more = {} }: Shape): PlainSpan {
  const startUnixNano = T0 + BigInt(startMs) * 1_000_000n;
  return aSpan({
    traceId: traceIdOf(trace),
    spanId: spanIdOf(id),
    parentSpanId: parent === undefined ? "" : spanIdOf(parent),
    name,
    kind,
    startUnixNano,
    endUnixNano: startUnixNano + 100_000_000n,
    ...more,
  });
}

/** Not queryable, so absent. */
const MIXED = { json: '{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"1"}]}}' };

export const ODD: NamedSpans = {
  // Two roots, the earlier one in a segment that begins later.
  R1: span("auth", { trace: 0xc1, id: 1, startMs: 50 }),
  C1: span("C1", { trace: 0xc1, id: 2, parent: 1, startMs: 10 }),
  R9: span("GET /cart", { trace: 0xc1, id: 9, startMs: 500 }),
  // No root, parent and child in different segments.
  P: span("same", {
    trace: 0xc2,
    id: 3,
    parent: 99,
    startMs: 10,
    more: {
      attributes: attributesOf({ a: 3n, n: 1n }),
      resource: aService("shop", attributesOf({ mix: "x" })),
    },
  }),
  Q: span("same", {
    trace: 0xc2,
    id: 4,
    parent: 3,
    startMs: 20,
    more: {
      attributes: attributesOf({ n: 2n }),
      links: [
        {
          traceId: traceIdOf(0xc1),
          spanId: spanIdOf(1),
          traceState: "",
          flags: 0,
          droppedAttributes: 0,
          attributes: attributesOf({ a: -1n }),
        },
      ],
    },
  }),
  // A client and an internal span share an id: of such two none is a parent of K3.
  K1: span("K1", {
    trace: 0xc3,
    id: 1,
    startMs: 10,
    kind: 3,
    more: { attributes: attributesOf({ s: "k" }) },
  }),
  K2: span("K2", {
    trace: 0xc3,
    id: 1,
    parent: 1,
    startMs: 20,
    more: { attributes: attributesOf({ s: "i", tags: strings("X"), mixed: MIXED }) },
  }),
  K3: span("K3", {
    trace: 0xc3,
    id: 2,
    parent: 1,
    startMs: 30,
    more: {
      attributes: attributesOf({
        empty: { json: '{"arrayValue":{}}' },
        map: { json: '{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"x"}}]}}' },
        bytes: { json: '{"bytesValue":"AAE="}' },
        two: strings("x", "y"),
        mixed: MIXED,
      }),
    },
  }),
  // Three spans share an id: the trace has no numbers, T1 is a parent nevertheless.
  T1: span("T1", {
    trace: 0xc4,
    id: 1,
    startMs: 10,
    more: { attributes: attributesOf({ s: "t" }) },
  }),
  T2: span("T2", { trace: 0xc4, id: 2, parent: 1, startMs: 20, kind: 3 }),
  T3: span("T3", { trace: 0xc4, id: 2, parent: 2, startMs: 30, kind: 2 }),
  T4: span("T4", { trace: 0xc4, id: 2, parent: 1, startMs: 40 }),
  U: span("U", { trace: 0xc4, id: 5, parent: 2, startMs: 50 }),
};

/** Where each lies when they are spread over segments. */
export function oddSegment(name: string): number {
  return name === "R1" || name === "P" || name === "K1" ? 0 : name.startsWith("T") ? 2 : 1;
}
