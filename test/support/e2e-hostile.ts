import {
  type AnyValueInit,
  anyValue,
  aSpan,
  hex,
  type KeyValueInit,
  type SpanInit,
} from "./otlp-builder.ts";

const TEXTS = [
  "",
  "plain",
  "null\u0000byte",
  `"; DROP TABLE x; --`,
  `'); DELETE FROM "spans" --`,
  "line\nbreak\r\n\ttab",
  "日本語 🦆 é e\u0301 \u202e",
  "\uffff \u{10ffff} \ufeff",
  "%_\\ $1 {{y}} $x",
  "<script>&amp;",
  "x".repeat(1500),
];
const INTS = [0n, -1n, 1n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n];
const DOUBLES = [0, -0, 1.5, 1e308, 5e-324, Number.NaN, Infinity, -Infinity, 0.1 + 0.2];
/** Nanoseconds beside now; the ends of the range are tested elsewhere. */
const LENGTHS = [0n, 1n, 999_999n, 3_600_000_000_000n];

/** Spans with everything that may break a store: made from `random` alone, `start` included. */
export function hostileSpans(random: () => number, traceIdHex: string, start: bigint): SpanInit[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const count = 1 + Math.floor(random() * 12);
  const ids = Array.from({ length: count }, (_, i) =>
    (BigInt(i + 1) * 0x9e3779b97f4a7c15n).toString(16).slice(-16).padStart(16, "0"),
  );
  const value = (depth: number): AnyValueInit => {
    switch (Math.floor(random() * (depth > 3 ? 5 : 8))) {
      case 0:
        return anyValue(pick(INTS));
      case 1:
        return anyValue(pick(DOUBLES));
      case 2:
        return anyValue(random() < 0.5);
      case 3:
        return { value: { case: "bytesValue", value: bytes(Math.floor(random() * 20)) } };
      case 4:
        return anyValue(pick(TEXTS));
      case 5: {
        const values = Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1));
        return { value: { case: "arrayValue", value: { values } } };
      }
      case 6:
        return { value: { case: "kvlistValue", value: { values: attributes(depth + 1, 3) } } };
      default:
        return {};
    }
  };
  const bytes = (length: number): Uint8Array<ArrayBuffer> =>
    Uint8Array.from({ length }, () => Math.floor(random() * 256));
  /** Keys differ from each other; some recur on other spans with another type. */
  const attributes = (depth: number, max: number): KeyValueInit[] => {
    const all = new Map<string, KeyValueInit>();
    for (let i = Math.floor(random() * max); i > 0; i--) {
      const key = random() < 0.3 ? pick(TEXTS.slice(1, 10)) : `key.${Math.floor(random() * 30)}`;
      all.set(key, { key, value: value(depth) });
    }
    return [...all.values()];
  };
  return ids.map((id, i) => {
    const startTimeUnixNano = start + BigInt(Math.floor(random() * 1e9));
    return aSpan({
      traceId: hex(traceIdHex),
      spanId: hex(id),
      parentSpanId: hex(
        i === 0 ? "" : random() < 0.1 ? "00000000deadbeef" : ids[Math.floor(random() * i)]!,
      ),
      traceState: random() < 0.2 ? "a=1,b=2" : "",
      name: pick(TEXTS),
      kind: Math.floor(random() * 6) as never,
      startTimeUnixNano,
      // Some end before they start.
      endTimeUnixNano: random() < 0.1 ? startTimeUnixNano - 5n : startTimeUnixNano + pick(LENGTHS),
      attributes: attributes(0, 20),
      droppedAttributesCount: Math.floor(random() * 3),
      events: Array.from({ length: Math.floor(random() * 3) }, () => ({
        timeUnixNano: startTimeUnixNano + BigInt(Math.floor(random() * 1000)),
        name: pick(TEXTS),
        attributes: attributes(1, 4),
      })),
      links: Array.from({ length: Math.floor(random() * 3) }, () => ({
        traceId: bytes(16),
        spanId: bytes(8),
        traceState: "l=1",
        attributes: attributes(1, 4),
      })),
      status: { code: Math.floor(random() * 3) as never, message: pick(TEXTS) },
      flags: Math.floor(random() * 1024),
    });
  });
}
