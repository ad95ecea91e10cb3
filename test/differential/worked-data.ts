import { aScope, aService, aSpan, spanIdOf, traceIdOf } from "../support/batch-builder.ts";
import type { PlainAttribute, PlainSpan, PlainValue } from "../support/read-batch.ts";

/** The data of the language description's worked examples (§8.1). */
export const T0 = 1_767_225_600_000_000_000n;
const MS = 1_000_000n;

export function attributesOf(values: Readonly<Record<string, PlainValue>>): PlainAttribute[] {
  return Object.entries(values).map(([key, value]) => ({ key, value }));
}

const SHOP = aService("shop", attributesOf({ region: "eu" }));
const AUTH = aService("auth", attributesOf({ region: "eu" }));
const PAY = aService("pay", attributesOf({ region: "us" }));
const MAIL = aService("mail");
const SCOPE = aScope();

type Shape = Partial<PlainSpan> & { readonly startMs: bigint; readonly lasts: bigint };

function span({ startMs, lasts, ...over }: Shape): PlainSpan {
  const startUnixNano = T0 + startMs * MS;
  return aSpan({
    traceId: traceIdOf(0xa1),
    scope: SCOPE,
    startUnixNano,
    endUnixNano: startUnixNano + lasts * MS,
    ...over,
  });
}

/** By the names that the examples use. */
export const WORKED: Readonly<Record<string, PlainSpan>> = {
  S1: span({
    spanId: spanIdOf(0x11),
    name: "GET /cart",
    resource: SHOP,
    kind: 2,
    startMs: 0n,
    lasts: 1000n,
    attributes: attributesOf({ code: 200n, flag: true, tags: strings("a", "b") }),
  }),
  S2: span({
    spanId: spanIdOf(0x12),
    parentSpanId: spanIdOf(0x11),
    name: "auth",
    resource: AUTH,
    kind: 3,
    status: 1,
    startMs: 50n,
    lasts: 200n,
    attributes: attributesOf({ code: 200n, retry: 1n, region: "override" }),
  }),
  S3: span({
    // Begins with a zero, as every id here.
    spanId: spanIdOf(0x13),
    parentSpanId: spanIdOf(0x11),
    name: "pay",
    resource: PAY,
    kind: 3,
    status: 2,
    statusMessage: "declined",
    startMs: 300n,
    lasts: 500n,
    attributes: attributesOf({ code: 502n, retry: 3n, tags: strings("b", "c") }),
    events: [
      event("exception", 20n, { "exc.type": "Timeout" }),
      event("log", 30n, { level: "warn" }),
    ],
  }),
  S4: span({
    spanId: spanIdOf(0x14),
    parentSpanId: spanIdOf(0x13),
    name: "db.query",
    resource: PAY,
    kind: 3,
    startMs: 320n,
    lasts: 100n,
    attributes: attributesOf({ rows: 1.5 }),
  }),
  S5: span({
    spanId: spanIdOf(0x15),
    parentSpanId: spanIdOf(0x13),
    name: "db.query",
    resource: PAY,
    kind: 3,
    status: 2,
    startMs: 450n,
    lasts: 300n,
    attributes: attributesOf({ retry: 2n, flag: false }),
  }),
  S6: span({
    spanId: spanIdOf(0x16),
    parentSpanId: spanIdOf(0x19),
    name: "late",
    resource: MAIL,
    kind: 5,
    startMs: 900n,
    lasts: 50n,
    attributes: attributesOf({ code: "200" }),
    links: [
      {
        traceId: traceIdOf(0xb2),
        spanId: spanIdOf(7),
        traceState: "",
        flags: 0,
        attributes: attributesOf({ ref: "x" }),
        droppedAttributes: 0,
      },
    ],
  }),
  S7: span({
    traceId: traceIdOf(0xb2),
    spanId: spanIdOf(0x17),
    name: "GET /cart",
    resource: SHOP,
    kind: 2,
    status: 1,
    startMs: 61_000n,
    lasts: 2n,
    attributes: attributesOf({ code: 500n }),
  }),
};

function event(name: string, afterMs: bigint, values: Record<string, PlainValue>) {
  return {
    timeUnixNano: T0 + (300n + afterMs) * MS,
    name,
    attributes: attributesOf(values),
    droppedAttributes: 0,
  };
}

export function strings(...values: readonly string[]): PlainValue {
  const elements = values.map((stringValue) => ({ stringValue }));
  return { json: JSON.stringify({ arrayValue: { values: elements } }) };
}
