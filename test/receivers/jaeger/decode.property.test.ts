import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { type JaegerSpan, type JaegerTag, TRACE_ID } from "../../support/jaeger-builder.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import type { PlainSpan } from "../../support/read-batch.ts";
import { encodeJaeger, FORMATS, type Format, OneFormat, stored } from "./support.ts";

const SEED = testSeed();
console.log(`seed ${SEED}`);

// Well-formed text: what is not is replaced, by the encoders too.
const text = fc.oneof(
  fc.constantFrom("", "a", "grüße"),
  fc.string({ maxLength: 20, unit: "grapheme" }),
);
const key = fc.oneof(
  fc.constantFrom(
    "error",
    "span.kind",
    "event",
    "otel.status_code",
    "otel.status_description",
    "http.status_code",
    "http.status_message",
    "hostname",
    "host.name",
    "jaeger.version",
    "service.name",
  ),
  text,
);
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const tag: fc.Arbitrary<JaegerTag> = fc.tuple(
  key,
  fc.oneof(
    text,
    fc.constantFrom("server", "client", "OK", "Error", "404", "500"),
    fc.boolean(),
    int64,
    fc.constantFrom(200n, 404n, 500n),
    // Thrift's encoder has one NaN only, and writes -0 as 0.
    fc.double({ noNaN: true }).map((value) => value + 0),
    fc.uint8Array({ maxLength: 10 }),
  ),
);
const tags = fc.array(tag, { maxLength: 6 });
const hexOf = (length: number) =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .filter((bytes) => bytes.some((byte) => byte !== 0))
    .map((bytes) => Buffer.from(bytes).toString("hex"));
const traceId = fc.oneof(fc.constant(TRACE_ID), hexOf(16));
const micros = fc.bigInt({ min: 0n, max: 2n ** 53n });
const span: fc.Arbitrary<JaegerSpan> = fc.record({
  traceId,
  spanId: hexOf(8),
  name: text,
  flags: fc.nat(),
  startMicros: micros,
  durationMicros: micros,
  tags,
  references: fc.array(
    fc.record({
      traceId,
      spanId: hexOf(8),
      type: fc.constantFrom("childOf" as const, "followsFrom" as const),
    }),
    { maxLength: 3 },
  ),
  logs: fc.array(fc.record({ micros, fields: tags }), { maxLength: 3 }),
});
const request = fc.record({
  spans: fc.array(span, { maxLength: 4 }),
  process: fc.record({ service: text, tags }),
});

describe("the formats", () => {
  it("store the same of the same spans", () => {
    fc.assert(
      fc.property(request, ({ spans, process }) => {
        const [protobuf, binary, compact] = FORMATS.map((f) => stored(f, spans, process));
        expect(binary).toEqual(protobuf);
        expect(compact).toEqual(protobuf);
        expect(protobuf!.length).toBe(spans.length);
        expect(protobuf!.map((found) => found.spanId)).toEqual(spans.map((sent) => sent.spanId));
      }),
      { numRuns: 200, seed: SEED },
    );
  });
});

/** A span with everything, small enough to be cut at each of its bytes. */
const FULL: JaegerSpan = {
  traceId: TRACE_ID,
  spanId: "2122232425262728",
  name: "op",
  flags: 1,
  startMicros: 1_700_000_000_000_000n,
  durationMicros: 5n,
  tags: [
    ["s", "x"],
    ["error", true],
    ["span.kind", "server"],
    ["n", -5n],
    ["d", 1.5],
    ["y", Uint8Array.of(1)],
  ],
  references: [{ traceId: TRACE_ID, spanId: "3132333435363738", type: "followsFrom" }],
  logs: [{ micros: 7n, fields: [["event", "e"]] }],
};
const PROCESS = { service: "shop", tags: [["hostname", "h"]] as JaegerTag[] };

describe.each(FORMATS)("hostile bodies in %s", (format) => {
  it("cut at any byte are refused, or are a shorter request", () => {
    const body = encodeJaeger(format, [FULL], PROCESS);
    for (let length = 0; length < body.length; length++) {
      const found = expectNoHarm(format, body.slice(0, length));
      // Also with bytes after the end of the array that a wrong bounds check would read.
      expectNoHarm(format, body.subarray(0, length));
      expect(found, `${length} bytes`).toBe(format === "protobuf" && length === 0 ? 0 : undefined);
    }
    expect(expectNoHarm(format, body)).toBe(1);
  });

  it("mutated anyhow are refused whole or taken whole", () => {
    const random = seededRandom(SEED);
    const bodies = fc
      .sample(request, { numRuns: 20, seed: SEED })
      .map(({ spans, process }) => encodeJaeger(format, [FULL, ...spans], process));
    for (let run = 0; run < 600; run++) {
      let body = bodies[run % bodies.length]!;
      for (let times = 1 + Math.floor(random() * 3); times > 0; times--)
        body = mutate(body, random);
      expectNoHarm(format, body);
    }
  });

  it("at random are refused", () => {
    const random = seededRandom(SEED);
    for (let run = 0; run < 400; run++) {
      const body = Uint8Array.from({ length: Math.floor(random() * 200) }, () => random() * 256);
      expectNoHarm(format, body);
    }
  });
});

const GOOD = new Map(
  FORMATS.map((format) => [format, encodeJaeger(format, [FULL], PROCESS)] as const),
);
const INTACT = new Map(FORMATS.map((format) => [format, stored(format, [FULL], PROCESS)] as const));

/** Decodes `body` between two good ones; the number of its spans, undefined when it was refused. */
function expectNoHarm(format: Format, body: Uint8Array): number | undefined {
  const one = new OneFormat(format);
  const intact = INTACT.get(format)!;
  one.decode(GOOD.get(format)!);
  const mark = one.batch.mark();
  let added: number | undefined;
  try {
    added = one.decode(body);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    expect(one.batch.mark()).toEqual(mark);
  }
  expect(one.batch.spanCount).toBe(1 + (added ?? 0));
  one.decode(GOOD.get(format)!);
  const spans: PlainSpan[] = one.spans;
  expect([spans[0], spans.at(-1)]).toEqual([intact[0], intact[0]]);
  return added;
}

function mutate(bytes: Uint8Array, random: () => number): Uint8Array<ArrayBuffer> {
  const at = Math.floor(random() * bytes.length);
  const byte = Math.floor(random() * 256);
  const list = [...bytes];
  switch (Math.floor(random() * 6)) {
    case 0:
      list[at] = byte;
      break;
    case 1:
      list.length = at;
      break;
    case 2:
      list.splice(at, 0, byte);
      break;
    case 3:
      list.splice(at, 1 + (byte & 7));
      break;
    case 4:
      // Large numbers where lengths and counts are.
      list.splice(at, 4, 0x7f, 0xff, 0xff, 0xff);
      break;
    default:
      list[at] = list[at]! ^ (1 << (byte & 7));
  }
  return Uint8Array.from(list);
}
