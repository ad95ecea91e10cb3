import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ExportTraceServiceRequest,
  ExportTraceServiceRequestSchema,
} from "../../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import {
  type AnyValue,
  AnyValueSchema,
  type KeyValue,
} from "../../../gen/opentelemetry/proto/common/v1/common_pb.ts";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { OtlpDecoder } from "../../../src/receivers/otlp/decode.ts";
import { otlpJsonToProtobuf } from "../../../src/receivers/otlp/json.ts";
import {
  type AnyValueInit,
  aRequest,
  aSpan,
  attribute,
  type KeyValueInit,
  type SpanInit,
} from "../../support/otlp-builder.ts";
import { type PlainAttribute, type PlainSpan, readBatch } from "../../support/read-batch.ts";

const options = { maxAttributeBytes: 0 };

// The edges first, so that short runs meet them.
const text = fc.oneof(
  fc.constantFrom(
    "",
    "service.name",
    "a\0b",
    "\u{1F600}",
    "\uFEFFbom",
    "\uFFFD",
    "ÿ",
    "\ud800x",
    "a".repeat(200),
  ),
  fc.string({ unit: "grapheme", maxLength: 24 }),
);
const u64 = fc.oneof(
  fc.constantFrom(0n, 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const i64 = fc.oneof(
  fc.constantFrom(0n, -1n, 127n, 128n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const i32 = fc.oneof(fc.integer({ min: 0, max: 7 }), fc.integer());
const u32 = fc.oneof(fc.constantFrom(0, 1, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const double = fc.oneof(fc.constantFrom(-0, Number.NaN, Infinity, -Infinity), fc.double());
const id = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => {
    bytes[length - 1]! |= 1;
    return bytes as Uint8Array<ArrayBuffer>;
  });
const emptyOr = (length: number) => fc.oneof(fc.constant(new Uint8Array(0)), id(length));

const { anyValue } = fc.letrec<{ anyValue: AnyValueInit }>((tie) => ({
  anyValue: fc.oneof(
    { maxDepth: 6, depthSize: "small" },
    fc.record({ value: fc.record({ case: fc.constant("stringValue" as const), value: text }) }),
    fc.record({
      value: fc.record({ case: fc.constant("boolValue" as const), value: fc.boolean() }),
    }),
    fc.record({ value: fc.record({ case: fc.constant("intValue" as const), value: i64 }) }),
    fc.record({ value: fc.record({ case: fc.constant("doubleValue" as const), value: double }) }),
    fc.record({
      value: fc.record({
        case: fc.constant("bytesValue" as const),
        value: fc.uint8Array({ maxLength: 20 }) as fc.Arbitrary<Uint8Array<ArrayBuffer>>,
      }),
    }),
    fc.constant({}),
    fc.array(tie("anyValue"), { maxLength: 4 }).map((values) => ({
      value: { case: "arrayValue" as const, value: { values } },
    })),
    fc
      .array(fc.record({ key: text, value: tie("anyValue") }, { requiredKeys: ["key"] }), {
        maxLength: 4,
      })
      .map((values) => ({ value: { case: "kvlistValue" as const, value: { values } } })),
  ) as fc.Arbitrary<AnyValueInit>,
}));
const attributes = fc.array(fc.record({ key: text, value: anyValue }, { requiredKeys: ["key"] }), {
  maxLength: 6,
}) as fc.Arbitrary<KeyValueInit[]>;
const event = fc.record({
  timeUnixNano: u64,
  name: text,
  attributes,
  droppedAttributesCount: u32,
});
const link = fc.record({
  traceId: emptyOr(16),
  spanId: emptyOr(8),
  traceState: text,
  attributes,
  droppedAttributesCount: u32,
  flags: u32,
});
const traceId = fc.oneof(fc.constant(new Uint8Array(16).fill(7)), id(16));
const span = fc.record(
  {
    traceId,
    spanId: id(8),
    traceState: text,
    parentSpanId: emptyOr(8),
    name: text,
    kind: i32,
    startTimeUnixNano: u64,
    endTimeUnixNano: u64,
    attributes,
    droppedAttributesCount: u32,
    events: fc.array(event, { maxLength: 3 }),
    droppedEventsCount: u32,
    links: fc.array(link, { maxLength: 3 }),
    droppedLinksCount: u32,
    status: fc.record({ code: i32, message: text }),
    flags: u32,
  },
  { requiredKeys: ["traceId", "spanId"] },
) as fc.Arbitrary<SpanInit>;
const request = fc
  .array(
    fc.record(
      {
        resource: fc.record({ attributes, droppedAttributesCount: u32 }),
        scopeSpans: fc.array(
          fc.record(
            {
              scope: fc.record({
                name: text,
                version: text,
                attributes,
                droppedAttributesCount: u32,
              }),
              spans: fc.array(span, { maxLength: 4 }),
              schemaUrl: text,
            },
            { requiredKeys: ["spans"] },
          ),
          { maxLength: 3 },
        ),
        schemaUrl: text,
      },
      { requiredKeys: ["scopeSpans"] },
    ),
    { maxLength: 3 },
  )
  .map((resourceSpans) => create(ExportTraceServiceRequestSchema, { resourceSpans }));

describe("OtlpDecoder", () => {
  it("gives what @bufbuild/protobuf gives for the same bytes", () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 3 }), (requests) => {
        const batch = new SpanBatch(99);
        const decoder = new OtlpDecoder(batch, options);
        const expected: PlainSpan[] = [];
        for (const message of requests) {
          const bytes = toBinary(ExportTraceServiceRequestSchema, message);
          const spans = plainRequest(fromBinary(ExportTraceServiceRequestSchema, bytes));
          expect(decoder.decode(bytes)).toBe(spans.length);
          expected.push(...spans);
        }
        expect(readBatch(batch)).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it("gives the same for OTLP/JSON as for protobuf", () => {
    fc.assert(
      fc.property(request, (message) => {
        const bytes = toBinary(ExportTraceServiceRequestSchema, message);
        const json = new TextEncoder().encode(otlpJson(message));
        expect(decodeAll([otlpJsonToProtobuf(json)])).toEqual(decodeAll([bytes]));
      }),
      { numRuns: 150 },
    );
  });

  it("answers mutated bytes with spans or a DecodeError, and leaves the batch as it was", () => {
    const mutation = fc.record({
      kind: fc.constantFrom("set", "cut", "insert", "remove", "random"),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      byte: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(
        request,
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        (message, mutations) => {
          let bytes = toBinary(ExportTraceServiceRequestSchema, message);
          for (const m of mutations) bytes = mutate(bytes, m);
          expectNoHarm(bytes);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("answers random bytes with a DecodeError or spans", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expectNoHarm(bytes);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses or takes a request cut at any byte, without harm", () => {
    const message = aRequest([
      aSpan({
        attributes: [
          attribute("k", "value"),
          attribute("n", -5n),
          attribute("d", 1.5),
          { key: "list", value: { value: { case: "arrayValue", value: { values: [{}] } } } },
        ],
        events: [{ name: "e", timeUnixNano: 5n, attributes: [attribute("k", true)] }],
        links: [{ traceId: new Uint8Array(16).fill(3), spanId: new Uint8Array(8).fill(4) }],
        status: { code: 2, message: "bad" },
        flags: 0x101,
      }),
    ]);
    const bytes = toBinary(ExportTraceServiceRequestSchema, message);
    let refused = 0;
    for (let length = 0; length < bytes.length; length++) {
      refused += expectNoHarm(bytes.slice(0, length));
      // Also with bytes after the end of the array that a wrong bounds check would read.
      expectNoHarm(bytes.subarray(0, length));
    }
    // Only the empty body is a valid message.
    expect(refused).toBe(bytes.length - 1);
  });
});

describe("otlpJsonToProtobuf", () => {
  it("answers mutated JSON with bytes or a DecodeError", () => {
    fc.assert(
      fc.property(
        request,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.constantFrom(0x22, 0x5c, 0x7b, 0x5d, 0x2c, 0x30, 0xff, 0x00),
        (message, at, byte) => {
          const json = new TextEncoder().encode(otlpJson(message));
          json[Math.floor(at * json.length)] = byte;
          try {
            expectNoHarm(otlpJsonToProtobuf(json));
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

function decodeAll(bodies: Uint8Array[]): PlainSpan[] {
  const batch = new SpanBatch(5);
  const decoder = new OtlpDecoder(batch, options);
  for (const body of bodies) decoder.decode(body);
  return readBatch(batch);
}

const before = toBinary(
  ExportTraceServiceRequestSchema,
  aRequest([aSpan({ attributes: [attribute("a", "b")], events: [{ name: "e" }] })]),
);

/** Decodes `bytes` between two good bodies; returns 1 when it was refused. */
function expectNoHarm(bytes: Uint8Array): number {
  const batch = new SpanBatch(7);
  const decoder = new OtlpDecoder(batch, options);
  decoder.decode(before);
  const intact = readBatch(batch);
  const mark = batch.mark();
  let added = 0;
  let refused = 0;
  try {
    added = decoder.decode(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
    expect(batch.mark()).toEqual(mark);
    refused = 1;
  }
  expect(batch.spanCount).toBe(1 + added);
  decoder.decode(before);
  const after = readBatch(batch);
  expect(after[0]).toEqual(intact[0]);
  expect(after.at(-1)).toEqual(intact[0]);
  return refused;
}

type Mutation = { kind: string; at: number; byte: number };

function mutate(bytes: Uint8Array, { kind, at, byte }: Mutation): Uint8Array<ArrayBuffer> {
  const index = Math.floor(at * bytes.length);
  const list = [...bytes];
  if (kind === "set" && bytes.length > 0) list[index] = byte;
  else if (kind === "cut") list.length = index;
  else if (kind === "insert") list.splice(index, 0, byte);
  else if (kind === "remove") list.splice(index, 1 + (byte & 3));
  else
    for (let i = index; i < Math.min(list.length, index + 8); i++) list[i] = (byte * (i + 7)) & 255;
  return Uint8Array.from(list);
}

function hex(bytes: Uint8Array): string {
  const text = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return /^0*$/.test(text) ? "" : text;
}

function plainRequest(message: ExportTraceServiceRequest): PlainSpan[] {
  return message.resourceSpans.flatMap((r) =>
    r.scopeSpans.flatMap((s) => {
      const names = (r.resource?.attributes ?? []).filter((a) => a.key === "service.name");
      const name = names.at(-1)?.value?.value;
      const resource = {
        attributes: plainAttributes(r.resource?.attributes ?? []),
        droppedAttributes: r.resource?.droppedAttributesCount ?? 0,
        schemaUrl: r.schemaUrl,
        serviceName: name?.case === "stringValue" ? name.value : "",
      };
      const scope = {
        name: s.scope?.name ?? "",
        version: s.scope?.version ?? "",
        attributes: plainAttributes(s.scope?.attributes ?? []),
        droppedAttributes: s.scope?.droppedAttributesCount ?? 0,
        schemaUrl: s.schemaUrl,
      };
      return s.spans.map((span) => ({
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentSpanId: hex(span.parentSpanId),
        traceState: span.traceState,
        name: span.name,
        kind: span.kind,
        startUnixNano: span.startTimeUnixNano,
        endUnixNano: span.endTimeUnixNano,
        status: span.status?.code ?? 0,
        statusMessage: span.status?.message ?? "",
        flags: span.flags,
        droppedAttributes: span.droppedAttributesCount,
        droppedEvents: span.droppedEventsCount,
        droppedLinks: span.droppedLinksCount,
        attributes: plainAttributes(span.attributes),
        events: span.events.map((e) => ({
          timeUnixNano: e.timeUnixNano,
          name: e.name,
          attributes: plainAttributes(e.attributes),
          droppedAttributes: e.droppedAttributesCount,
        })),
        links: span.links.map((l) => ({
          traceId: hex(l.traceId),
          spanId: hex(l.spanId),
          traceState: l.traceState,
          flags: l.flags,
          attributes: plainAttributes(l.attributes),
          droppedAttributes: l.droppedAttributesCount,
        })),
        resource,
        scope,
      }));
    }),
  );
}

function plainAttributes(list: KeyValue[]): PlainAttribute[] {
  return list.map(({ key, value }) => {
    const member = value?.value;
    switch (member?.case) {
      case "stringValue":
      case "boolValue":
      case "intValue":
      case "doubleValue":
        return { key, value: member.value };
      default:
        return { key, value: { json: anyValueJson(value) } };
    }
  });
}

/** protobuf's own JSON, but for -0, which it writes as 0. */
function anyValueJson(value: AnyValue | undefined): string {
  if (value === undefined) return "{}";
  const copy = fromBinary(AnyValueSchema, toBinary(AnyValueSchema, value));
  let marked = false;
  const visit = (v: AnyValue | undefined): void => {
    if (v?.value.case === "doubleValue" && Object.is(v.value.value, -0)) {
      v.value.value = NEGATIVE_ZERO;
      marked = true;
    } else if (v?.value.case === "arrayValue") v.value.value.values.forEach(visit);
    else if (v?.value.case === "kvlistValue")
      for (const kv of v.value.value.values) visit(kv.value);
  };
  visit(copy);
  const json = toJsonString(AnyValueSchema, copy);
  return marked ? json.replaceAll(String(NEGATIVE_ZERO), "-0") : json;
}

/** Stands for -0 on its way through JSON; nothing else in the tests has this value. */
const NEGATIVE_ZERO = -1.2345678e-89;

/** OTLP/JSON of a request: protobuf's JSON with hex ids, which is base64 there. */
function otlpJson(message: ExportTraceServiceRequest): string {
  const copy = fromBinary(
    ExportTraceServiceRequestSchema,
    toBinary(ExportTraceServiceRequestSchema, message),
  );
  const visitAny = (v: AnyValue | undefined): void => {
    if (v?.value.case === "doubleValue" && Object.is(v.value.value, -0)) {
      v.value.value = NEGATIVE_ZERO;
    } else if (v?.value.case === "arrayValue") v.value.value.values.forEach(visitAny);
    else if (v?.value.case === "kvlistValue")
      for (const kv of v.value.value.values) visitAny(kv.value);
  };
  const visit = (list: KeyValue[] | undefined): void => {
    for (const kv of list ?? []) visitAny(kv.value);
  };
  for (const r of copy.resourceSpans) {
    visit(r.resource?.attributes);
    for (const s of r.scopeSpans) {
      visit(s.scope?.attributes);
      for (const span of s.spans) {
        visit(span.attributes);
        for (const e of span.events) visit(e.attributes);
        for (const l of span.links) visit(l.attributes);
      }
    }
  }
  const json = toJsonString(ExportTraceServiceRequestSchema, copy);
  return json
    .replaceAll(/"(traceId|spanId|parentSpanId)":"([^"]*)"/g, (_, name: string, value: string) => {
      const bytes = Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
      return `"${name}":"${[...bytes].map((b) => b.toString(16).padStart(2, "0")).join("")}"`;
    })
    .replaceAll(String(NEGATIVE_ZERO), "-0");
}
