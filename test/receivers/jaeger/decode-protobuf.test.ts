import { describe, expect, test } from "vitest";
import { PintailError } from "../../../src/errors.ts";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { countProtobufSpans } from "../../../src/receivers/jaeger/count-spans.ts";
import {
  aJaegerSpan,
  encodePostSpans,
  type JaegerSpanInit,
  type JaegerTag,
  protobufProcess,
  protobufSpan,
} from "../../support/jaeger-builder.ts";
import type { PlainSpan } from "../../support/read-batch.ts";
import { encodeJaeger, OneFormat, SHOP } from "./support.ts";

const span = (init: JaegerSpanInit = {}): JaegerSpanInit =>
  ({ ...protobufSpan(aJaegerSpan()), ...init }) as JaegerSpanInit;
const bytes = (length: number, fill = 1) => new Uint8Array(length).fill(fill);

function decode(body: Uint8Array): PlainSpan[] {
  const one = new OneFormat("protobuf");
  one.decode(body);
  return one.spans;
}

function failureOf(body: Uint8Array): string {
  const one = new OneFormat("protobuf");
  try {
    one.decode(body);
  } catch (error) {
    expect(one.spans).toEqual([]);
    if (error instanceof DecodeError) return error.failure;
    throw error;
  }
  return "none";
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A length-delimited field. */
function field(number: number, content: Uint8Array): Uint8Array {
  expect(content.length).toBeLessThan(0x80);
  return concat(Uint8Array.of((number << 3) | 2, content.length), content);
}

describe("ids", () => {
  test("a trace id of 8 bytes is the low half", () => {
    const [found] = decode(
      encodePostSpans([
        span({ traceId: bytes(8), references: [{ traceId: bytes(8), spanId: bytes(8, 9) }] }),
      ]),
    );
    expect(found).toMatchObject({
      traceId: "00000000000000000101010101010101",
      parentSpanId: "0909090909090909",
    });
  });

  test.each([
    ["a trace id of 15 bytes", span({ traceId: bytes(15) }), "syntax"],
    ["a span id of 7 bytes", span({ spanId: bytes(7) }), "syntax"],
    ["a reference's trace id of 1 byte", span({ references: [{ traceId: bytes(1) }] }), "syntax"],
    ["a reference's span id of 9 bytes", span({ references: [{ spanId: bytes(9) }] }), "syntax"],
    ["no trace id", span({ traceId: bytes(0) }), "trace_id"],
    ["a trace id of zeros", span({ traceId: bytes(8, 0) }), "trace_id"],
    ["no span id", span({ spanId: bytes(0) }), "span_id"],
    ["a span id of zeros", span({ spanId: bytes(8, 0) }), "span_id"],
  ])("%s", (_, init, failure) => {
    expect(failureOf(encodePostSpans([span(), init]))).toBe(failure);
  });

  test("a field that is there with no byte is malformed, unlike one that is not there", () => {
    const inBatch = (content: Uint8Array) => field(1, field(1, content));
    expect(failureOf(inBatch(field(1, bytes(0))))).toBe("syntax");
    expect(failureOf(inBatch(field(2, bytes(0))))).toBe("syntax");
    expect(failureOf(inBatch(field(3, bytes(1, 0x61))))).toBe("trace_id");
  });
});

describe("times", () => {
  const at = (
    start: { seconds: bigint; nanos?: number },
    duration?: { seconds?: bigint; nanos?: number },
  ) => decode(encodePostSpans([span({ startTime: start, duration: duration ?? {} })]))[0]!;

  test("have nanoseconds", () => {
    const found = at({ seconds: 1_700_000_000n, nanos: 1 }, { seconds: 3n, nanos: 999_999_999 });
    expect(found.startUnixNano).toBe(1_700_000_000_000_000_001n);
    expect(found.endUnixNano).toBe(1_700_000_004_000_000_000n);
  });

  test("that are absent are 0", () => {
    const [found] = decode(encodePostSpans([{ traceId: bytes(16), spanId: bytes(8) }]));
    expect([found!.startUnixNano, found!.endUnixNano]).toEqual([0n, 0n]);
  });

  test("may be negative durations", () => {
    const found = at({ seconds: 10n }, { seconds: -1n, nanos: -5 });
    expect(found.endUnixNano).toBe(8_999_999_995n);
  });

  test.each([
    ["1000000000 nanos", span({ startTime: { nanos: 1_000_000_000 } })],
    ["negative nanos of an instant", span({ startTime: { nanos: -1 } })],
    ["-1000000000 nanos of a duration", span({ duration: { nanos: -1_000_000_000 } })],
    ["too many nanos of a log", span({ logs: [{ timestamp: { nanos: 2_000_000_000 } }] })],
  ])("with %s are malformed", (_, init) => {
    expect(failureOf(encodePostSpans([init]))).toBe("syntax");
  });
});

describe("processes", () => {
  test("of spans go before the batch's", () => {
    const own = protobufProcess({ service: "own", tags: [["a", 1n]] });
    const found = decode(
      encodePostSpans([span(), span({ process: own }), span({ process: {} }), span()], SHOP),
    );
    expect(found.map((s) => s.resource.serviceName)).toEqual(["shop", "own", "", "shop"]);
    expect(found[1]!.resource.attributes).toContainEqual({ key: "a", value: 1n });
    expect(found[2]!.resource.attributes).toEqual([]);
  });

  test("may be absent", () => {
    expect(decode(encodePostSpans([span()]))[0]!.resource).toMatchObject({
      attributes: [],
      serviceName: "",
    });
  });

  test("may stand in parts, before and after the spans", () => {
    const part = (service: string, tags: JaegerTag[]) =>
      encodePostSpans([], { service, tags }).subarray(2);
    const batch = concat(
      part("", [["a", 1n]]),
      encodePostSpans([{ traceId: bytes(16), spanId: bytes(8) }]).subarray(2),
      part("late", [["b", 2n]]),
    );
    const found = decode(field(1, batch));
    expect(found.length).toBe(1);
    expect(found[0]!.resource.serviceName).toBe("late");
    expect(found[0]!.resource.attributes.map((a) => a.key).sort()).toEqual([
      "a",
      "b",
      "service.name",
    ]);
  });

  test("of equal bytes share a row, over requests too, but not with one that was refused", () => {
    const one = new OneFormat("protobuf");
    const good = encodeJaeger("protobuf", [aJaegerSpan(), aJaegerSpan()]);
    const refused = encodeJaeger("protobuf", [aJaegerSpan(), aJaegerSpan({ spanId: "00" })]);
    expect(() => one.decode(refused)).toThrow(DecodeError);
    expect([one.batch.resourceCount, one.batch.scopeCount]).toEqual([0, 0]);
    one.decode(good);
    one.decode(good);
    expect([one.batch.spanCount, one.batch.resourceCount, one.batch.scopeCount]).toEqual([4, 1, 1]);
    expect(one.spans.every((s) => s.resource.serviceName === "shop")).toBe(true);
  });

  test("without spans take no row", () => {
    const one = new OneFormat("protobuf");
    expect(one.decode(encodePostSpans([], SHOP))).toBe(0);
    expect(one.batch.resourceCount).toBe(0);
  });
});

describe("the message", () => {
  test("may hold fields that mean nothing, and such that are unknown", () => {
    const [found] = decode(
      encodePostSpans([span({ flags: 3, processId: "p1", warnings: ["clock skew", ""] })]),
    );
    expect(found).toMatchObject({ flags: 0, attributes: [] });
    const unknown = concat(field(14, bytes(3)), Uint8Array.of((15 << 3) | 0, 5));
    expect(decode(concat(unknown, encodePostSpans([span()]), unknown)).length).toBe(1);
  });

  test("may be empty, or hold several batches", () => {
    expect(decode(bytes(0))).toEqual([]);
    expect(decode(concat(encodePostSpans([span()]), encodePostSpans([span()], SHOP))).length).toBe(
      2,
    );
  });

  test("leaves spans out that have nothing at all", () => {
    const zeros = { traceId: bytes(16, 0), spanId: bytes(8, 0), operationName: "" };
    expect(decode(encodePostSpans([{}, span(), zeros])).length).toBe(1);
    // Anything at all makes it a span, which then needs its ids.
    for (const init of [
      { operationName: "a" },
      { flags: 1 },
      { startTime: {} },
      { duration: { nanos: 1 } },
      { tags: [{}] },
      { logs: [{}] },
      { references: [{}] },
      { process: {} },
      { processId: "p" },
      { warnings: [""] },
    ]) {
      expect(failureOf(encodePostSpans([init])), JSON.stringify(init)).toBe("trace_id");
    }
    expect(decode(encodePostSpans([{ processId: "" }, { duration: {} }]))).toEqual([]);
  });

  test.each([
    ["a batch that is a number", Uint8Array.of(0x08, 1)],
    ["a cut batch", Uint8Array.of(0x0a, 5, 1)],
    ["field 0", Uint8Array.of(0x00, 1)],
    ["a group", Uint8Array.of(0x0b)],
    ["tags that are a number", field(1, field(1, Uint8Array.of(0x40, 1)))],
    ["a flag that is a string", field(1, field(1, Uint8Array.of(0x2a, 0)))],
    ["a value of the wrong type", field(1, field(1, field(8, Uint8Array.of(0x18, 1))))],
  ])("with %s is malformed", (_, body) => {
    expect(failureOf(body)).toBe("syntax");
  });

  test.each([
    ["tags", span({ tags: Array.from({ length: 65_536 }, () => ({ key: "k" })) })],
    ["logs", span({ logs: Array.from({ length: 65_536 }, () => ({})) })],
    ["references", span({ references: Array.from({ length: 65_536 }, () => ({})) })],
  ])("of more than 65535 %s is refused", (_, init) => {
    expect(failureOf(encodePostSpans([init]))).toBe("limit");
  });
});

test("the size to be admitted is that of the spans, and a refusal leaves nothing behind", () => {
  const one = new OneFormat("protobuf");
  const body = encodeJaeger("protobuf", [aJaegerSpan({ tags: [["a", "b"]] })]);
  const sizes: number[] = [];
  one.decode(body, (size) => sizes.push(size));
  one.decode(body, (size) => sizes.push(size));
  expect(sizes[0]).toBeGreaterThan(80);
  expect(sizes[1]).toBe(sizes[0]);
  const mark = one.batch.mark();
  const limited = new PintailError("limited", "rate");
  const refuse = () => {
    throw limited;
  };
  expect(() => one.decode(body, refuse)).toThrow(limited);
  expect(one.batch.mark()).toEqual(mark);
});

test("long keys and values of attributes are cut and counted, what they mean is not", () => {
  const one = new OneFormat("protobuf", 4);
  const long = "123456";
  one.decode(
    encodeJaeger(
      "protobuf",
      [
        aJaegerSpan({
          name: long,
          tags: [
            ["longkey", long],
            ["span.kind", "server"],
            ["otel.status_code", "ERROR"],
            ["otel.status_description", long],
            ["w3c.tracestate", "a=12345"],
            ["http.status_code", 200n],
            ["y", new Uint8Array(9)],
          ],
          logs: [
            {
              micros: 1n,
              fields: [
                ["event", long],
                ["field", long],
              ],
            },
          ],
        }),
      ],
      { service: long, tags: [["t", long]] },
    ),
  );
  const [found] = one.spans;
  expect(found).toMatchObject({
    name: long,
    kind: 2,
    status: 2,
    statusMessage: long,
    traceState: "a=12345",
    attributes: [
      { key: "long", value: "1234" },
      { key: "y", value: { json: '{"bytesValue":"AAAAAAAAAAAA"}' } },
      { key: "http", value: 200n },
    ],
    events: [{ name: long, attributes: [{ key: "fiel", value: "1234" }] }],
  });
  expect(found!.resource.serviceName).toBe("1234");
  expect(one.truncated).toEqual({ resource: 2, scope: 0, span: 3, event: 2, link: 0 });
});

test("spans of a refused message are counted up to what is malformed", () => {
  const body = encodePostSpans([span(), span(), span()], SHOP);
  expect(countProtobufSpans(body)).toBe(3);
  expect(countProtobufSpans(concat(body, body))).toBe(6);
  expect(countProtobufSpans(body.subarray(0, body.length - 1))).toBe(0);
  expect(countProtobufSpans(concat(body, Uint8Array.of(0x0a, 0x7f, 1)))).toBe(3);
});
