import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ExportTraceServiceRequestSchema } from "../../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { AttributeType } from "../../../src/model/attribute-columns.ts";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { MAX_EVENTS, OtlpDecoder } from "../../../src/receivers/otlp/decode.ts";
import { MAX_VALUE_DEPTH } from "../../../src/receivers/otlp/decode-any-value.ts";
import { MAX_ATTRIBUTES } from "../../../src/receivers/otlp/decode-attributes.ts";
import { concatBytes } from "../../../src/util/concat-bytes.ts";
import { WireWriter } from "../../../src/util/wire-writer.ts";
import {
  type AnyValueInit,
  aRequest,
  aSpan,
  attribute,
  encodeRequest,
  type SpanInit,
} from "../../support/otlp-builder.ts";
import { type PlainSpan, readBatch } from "../../support/read-batch.ts";

type Part = number | string | Uint8Array | Part[];

/** Wire bytes by hand: numbers are bytes, strings UTF-8, an inner list has its length in front. */
function wire(...parts: Part[]): Uint8Array {
  const writer = new WireWriter(64);
  for (const part of parts) {
    if (typeof part === "number") writer.byte(part);
    else if (typeof part === "string") writer.append(new TextEncoder().encode(part));
    else if (part instanceof Uint8Array) writer.append(part);
    else {
      const content = wire(...part);
      writer.varint32(content.length);
      writer.append(content);
    }
  }
  return writer.bytes.slice(0, writer.length);
}

const TRACE_ID = [0x0a, new Array<Part>(16).fill(1)] as const;
const SPAN_ID = [0x12, new Array<Part>(8).fill(2)] as const;
const IDS: Part[] = [...TRACE_ID, ...SPAN_ID];

/** A request of one span with these fields behind its ids. */
function spanBody(...fields: Part[]): Uint8Array {
  return wire(0x0a, [0x12, [0x12, [...IDS, ...fields]]]);
}

function decode(body: Uint8Array, maxAttributeBytes = 0): PlainSpan[] {
  const batch = new SpanBatch(3);
  new OtlpDecoder(batch, { maxAttributeBytes }).decode(body);
  return readBatch(batch);
}

function decodeSpan(init: SpanInit, maxAttributeBytes = 0): PlainSpan {
  return decode(encodeRequest(aRequest([aSpan(init)])), maxAttributeBytes)[0]!;
}

function failure(work: () => unknown): { failure: string; message: string } {
  try {
    work();
  } catch (error) {
    if (error instanceof DecodeError) return { failure: error.failure, message: error.message };
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("ids", () => {
  it.each([
    ["absent", [...SPAN_ID]],
    ["empty", [0x0a, [], ...SPAN_ID]],
    ["zero", [0x0a, new Array<Part>(16).fill(0), ...SPAN_ID]],
  ])("refuses an %s trace id", (_, fields) => {
    expect(failure(() => decode(wire(0x0a, [0x12, [0x12, fields]])))).toEqual({
      failure: "trace_id",
      message: "trace ids must be 128 bit, received 0 bits",
    });
  });

  it.each([
    ["absent", [...TRACE_ID]],
    ["empty", [...TRACE_ID, 0x12, []]],
    ["zero", [...TRACE_ID, 0x12, new Array<Part>(8).fill(0)]],
  ])("refuses an %s span id", (_, fields) => {
    expect(failure(() => decode(wire(0x0a, [0x12, [0x12, fields]]))).failure).toBe("span_id");
  });

  it.each([
    ["trace id of 8 bytes", [0x0a, new Array<Part>(8).fill(1)]],
    ["trace id of 17 bytes", [0x0a, new Array<Part>(17).fill(1)]],
    ["span id of 4 bytes", [0x12, [1, 2, 3, 4]]],
    ["parent id of 16 bytes", [0x22, new Array<Part>(16).fill(1)]],
    ["link's trace id of 8 bytes", [0x6a, [0x0a, new Array<Part>(8).fill(1)]]],
    ["link's span id of 9 bytes", [0x6a, [0x12, new Array<Part>(9).fill(1)]]],
  ])("does not decode a %s", (_, fields) => {
    expect(failure(() => decode(spanBody(...(fields as Part[])))).failure).toBe("syntax");
  });

  it("takes a zero or empty parent id as none", () => {
    expect(decode(spanBody(0x22, new Array<Part>(8).fill(0)))[0]!.parentSpanId).toBe("");
    expect(decode(spanBody(0x22, []))[0]!.parentSpanId).toBe("");
  });

  it("reads ids as big-endian", () => {
    const parent = [1, 2, 3, 4, 5, 6, 7, 0xff];
    expect(decode(spanBody(0x22, parent))[0]!.parentSpanId).toBe("01020304050607ff");
  });
});

describe("syntax errors", () => {
  it.each<[string, Part[]]>([
    ["field number 0", [0x00, 1]],
    ["a group", [0x9b, 0x06]],
    ["an end of group", [0x9c, 0x06]],
    ["wire type 6", [0x9e, 0x06]],
    ["wire type 7", [0x9f, 0x06]],
    ["a varint of eleven bytes", [0x30, ...new Array<Part>(10).fill(0x80), 1]],
    ["a kind with wire type 2", [0x32, [1]]],
    ["a start time with wire type 0", [0x38, 1]],
    ["a name with wire type 0", [0x28, 1]],
    ["flags with wire type 0", [0x80, 0x01, 1]],
    ["an attribute with wire type 5", [0x4d, 1, 2, 3, 4]],
    ["a length beyond its parent", [0x2a, 100, "short"]],
    ["a length of 4 GiB", [0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f, "short"]],
    ["a length of 64 bits", [0x2a, 0x85, 0x80, 0x80, 0x80, 0x80, 0x01, "short"]],
    ["a status that ends inside a field", [0x7a, [0x12, 5, "abc"]]],
    ["a key beyond its attribute", [0x4a, [0x0a, 9, "k", 0x12, [0x0a, ["v"]]]]],
    ["a string value beyond its value", [0x4a, [0x0a, ["k"], 0x12, [0x0a, 9, "v"]]]],
    ["an int value cut short", [0x4a, [0x0a, ["k"], 0x12, [0x18, 0x80]]]],
    ["a double of four bytes", [0x4a, [0x0a, ["k"], 0x12, [0x21, 1, 2, 3, 4]]]],
    ["a string inside an array that is cut", [0x4a, [0x12, [0x2a, [0x0a, [0x0a, 3, "x"]]]]]],
  ])("refuses %s", (_, fields) => {
    expect(failure(() => decode(spanBody(...fields))).failure).toBe("syntax");
  });
});

describe("wire leniency", () => {
  it("skips unknown fields of every wire type, at every level", () => {
    const unknown: Part[] = [0x98, 6, 5, 0x99, 6, "12345678", 0x9a, 6, ["xx"], 0x9d, 6, "1234"];
    const value: Part[] = [...unknown, 0x0a, ["v"], ...unknown];
    const attributeParts: Part[] = [...unknown, 0x0a, ["k"], 0x12, value, ...unknown];
    const span: Part[] = [
      ...unknown,
      ...IDS,
      0x4a,
      attributeParts,
      0x5a,
      [...unknown, 0x1a, attributeParts],
      0x6a,
      [...unknown, 0x22, attributeParts],
      0x7a,
      [...unknown, 0x18, 2],
    ];
    const scope: Part[] = [0x0a, [...unknown, 0x1a, attributeParts], 0x12, span, ...unknown];
    const resource: Part[] = [...unknown, 0x0a, attributeParts];
    const [read] = decode(wire(...unknown, 0x0a, [...unknown, 0x0a, resource, 0x12, scope]));
    const expected = [{ key: "k", value: "v" }];
    expect(read).toMatchObject({ status: 2, attributes: expected });
    expect(read!.events[0]!.attributes).toEqual(expected);
    expect(read!.links[0]!.attributes).toEqual(expected);
    expect(read!.resource.attributes).toEqual(expected);
    expect(read!.scope.attributes).toEqual(expected);
  });

  it("finds resource, scope and schema URLs behind the spans", () => {
    const resource: Part[] = [0x0a, [0x0a, ["service.name"], 0x12, [0x0a, ["late"]]]];
    const body = wire(0x0a, [
      ...[0x12, [0x12, IDS, 0x0a, [0x0a, ["scope"]], 0x1a, ["scope schema"]]],
      ...[0x0a, resource, 0x1a, ["resource schema"]],
    ]);
    expect(decode(body)[0]).toMatchObject({
      resource: { serviceName: "late", schemaUrl: "resource schema" },
      scope: { name: "scope", schemaUrl: "scope schema" },
    });
  });

  it("merges repeated resources, scopes, statuses and values", () => {
    const kv = (key: string): Part[] => [0x0a, [key], 0x12, [0x10, 1]];
    const item = (text: string): Part[] => [0x2a, [0x0a, [0x0a, [text]]]];
    const body = wire(0x0a, [
      ...[0x0a, [0x0a, kv("a"), 0x10, 1], 0x0a, [0x0a, kv("b")]],
      0x12,
      [
        ...[0x0a, [0x0a, ["n"]], 0x0a, [0x12, ["v"]]],
        ...[0x12, [...IDS, 0x7a, [0x18, 2], 0x7a, [0x12, ["m"]]]],
        ...[0x12, [...IDS, 0x4a, [0x0a, ["k"], 0x12, item("1"), 0x12, item("2")]]],
        ...[0x12, [...IDS, 0x4a, [0x0a, ["k"], 0x12, [0x0a, ["x"]], 0x12, []]]],
      ],
    ]);
    const [first, second, third] = decode(body);
    expect(first).toMatchObject({ status: 2, statusMessage: "m" });
    expect(first!.resource).toMatchObject({ droppedAttributes: 1 });
    expect(first!.resource.attributes.map((a) => a.key)).toEqual(["a", "b"]);
    expect(first!.scope).toMatchObject({ name: "n", version: "v" });
    const json = '{"arrayValue":{"values":[{"stringValue":"1"},{"stringValue":"2"}]}}';
    expect(second!.attributes[0]!.value).toEqual({ json });
    expect(third!.attributes[0]!.value).toBe("x");
  });

  it("takes the last member of a value", () => {
    const value: Part[] = [0x0a, ["s"], 0x18, 7, 0x2a, [], 0x10, 1];
    expect(decode(spanBody(0x4a, [0x12, value]))[0]!.attributes).toEqual([
      { key: "", value: true },
    ]);
  });

  it("keeps unknown kinds and statuses, truncated to 32 bits", () => {
    const minusSeven = [0xf9, ...new Array<Part>(8).fill(0xff), 0x01];
    const odd = decode(spanBody(0x30, ...minusSeven, 0x7a, [0x18, 99]));
    expect(odd[0]).toMatchObject({ kind: -7, status: 99 });
    const wide: Part[] = [0x30, 0x85, 0x80, 0x80, 0x80, 0x80, 0x01];
    expect(decode(spanBody(...wide))[0]!.kind).toBe(5);
  });

  it("takes the profiles' string indexes as unset", () => {
    const [span] = decode(spanBody(0x4a, [0x18, 3, 0x12, [0x40, 9]]));
    expect(span!.attributes).toEqual([{ key: "", value: { json: "{}" } }]);
  });

  it("reads field 1000 only where field 2 is empty", () => {
    const legacy: Part[] = [0xc2, 0x3e, [0x12, [...IDS, 0x2a, ["old"]]]];
    const current: Part[] = [0x12, [0x12, [...IDS, 0x2a, ["new"]]]];
    expect(decode(wire(0x0a, legacy)).map((s) => s.name)).toEqual(["old"]);
    expect(decode(wire(0x0a, [...legacy, ...current])).map((s) => s.name)).toEqual(["new"]);
  });

  it("reads an empty body, and resources without spans, as no spans and no rows", () => {
    const batch = new SpanBatch(1);
    const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 0 });
    expect(decoder.decode(new Uint8Array(0))).toBe(0);
    const request = create(ExportTraceServiceRequestSchema, {
      resourceSpans: [{ resource: {}, scopeSpans: [{ scope: { name: "x" } }] }],
    });
    expect(decoder.decode(encodeRequest(request))).toBe(0);
    expect(batch.resourceCount + batch.scopeCount).toBe(0);
  });

  it("reads Buffers that begin inside their memory", () => {
    const body = encodeRequest(aRequest([aSpan({ name: "here" })]));
    const memory = Buffer.alloc(body.length + 20, 0xff);
    memory.set(body, 7);
    expect(decode(memory.subarray(7, 7 + body.length))[0]!.name).toBe("here");
  });
});

describe("rows", () => {
  it("gives equal resources and scopes one row over many bodies, unless the schema differs", () => {
    const batch = new SpanBatch(1);
    const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 0 });
    const request = aRequest([aSpan()]);
    decoder.decode(encodeRequest(request));
    decoder.decode(encodeRequest(request));
    expect([batch.resourceCount, batch.scopeCount, batch.traceCount]).toEqual([1, 1, 1]);
    request.resourceSpans[0]!.schemaUrl = "other";
    decoder.decode(encodeRequest(request));
    expect([batch.resourceCount, batch.scopeCount]).toEqual([2, 1]);
  });

  it("forgets resources and scopes of a body it refused", () => {
    const batch = new SpanBatch(1);
    const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 0 });
    const a = encodeRequest(aRequest([aSpan({ name: "a" })], { service: "a", scope: "sa" }));
    const b = aRequest([aSpan()], { service: "b", scope: "sb" });
    b.resourceSpans[0]!.scopeSpans[0]!.spans.push(
      create(ExportTraceServiceRequestSchema, aRequest([{ name: "no ids" }])).resourceSpans[0]!
        .scopeSpans[0]!.spans[0]!,
    );
    expect(failure(() => decoder.decode(encodeRequest(b))).failure).toBe("trace_id");
    expect([batch.resourceCount, batch.scopeCount, batch.spanCount]).toEqual([0, 0, 0]);
    decoder.decode(a);
    decoder.decode(encodeRequest(aRequest([aSpan()], { service: "b", scope: "sb" })));
    const names = readBatch(batch).map((s) => [s.resource.serviceName, s.scope.name]);
    expect(names).toEqual([
      ["a", "sa"],
      ["b", "sb"],
    ]);
  });

  it("names the service by the last service.name, when that is a string", () => {
    const service = (...attributes: ReturnType<typeof attribute>[]) =>
      decode(
        encodeRequest({
          resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans: [aSpan()] }] }],
        }),
      )[0]!.resource.serviceName;
    expect(service(attribute("service.name", "a"), attribute("service.name", "b"))).toBe("b");
    expect(service(attribute("service.name", 5n))).toBe("");
    expect(service(attribute("service.nam", "x"))).toBe("");
  });
});

describe("values", () => {
  it("writes arrays, kvlists and bytes as canonical JSON", () => {
    const value: AnyValueInit = {
      value: {
        case: "kvlistValue",
        value: {
          values: [
            { key: "i", value: { value: { case: "intValue", value: -(2n ** 63n) } } },
            { key: 'q"\n\0', value: { value: { case: "stringValue", value: "é\u{1F600}" } } },
            { key: "b", value: { value: { case: "bytesValue", value: Uint8Array.of(251, 255) } } },
            { key: "n", value: { value: { case: "doubleValue", value: Number.NaN } } },
            { key: "z", value: { value: { case: "doubleValue", value: -0 } } },
            {
              key: "f",
              value: { value: { case: "doubleValue", value: Number.NEGATIVE_INFINITY } },
            },
            { key: "e", value: { value: { case: "arrayValue", value: { values: [] } } } },
            { key: "u", value: {} },
            { key: "none" },
          ],
        },
      },
    };
    expect(decodeSpan({ attributes: [{ key: "k", value }] }).attributes[0]!.value).toEqual({
      json:
        '{"kvlistValue":{"values":[{"key":"i","value":{"intValue":"-9223372036854775808"}},' +
        '{"key":"q\\"\\n\\u0000","value":{"stringValue":"é\u{1F600}"}},' +
        '{"key":"b","value":{"bytesValue":"+/8="}},{"key":"n","value":{"doubleValue":"NaN"}},' +
        '{"key":"z","value":{"doubleValue":-0}},{"key":"f","value":{"doubleValue":"-Infinity"}},' +
        '{"key":"e","value":{"arrayValue":{}}},{"key":"u","value":{}},{"key":"none"}]}}',
    });
  });

  it("bounds the nesting of values", () => {
    const nested = (levels: number): AnyValueInit => {
      let value: AnyValueInit = {};
      for (let i = 0; i < levels; i++) {
        value = { value: { case: "arrayValue", value: { values: [value] } } };
      }
      return value;
    };
    const read = decodeSpan({ attributes: [{ key: "k", value: nested(MAX_VALUE_DEPTH) }] });
    expect(read.attributes.length).toBe(1);
    const tooDeep = { attributes: [{ key: "k", value: nested(MAX_VALUE_DEPTH + 1) }] };
    expect(failure(() => decodeSpan(tooDeep)).failure).toBe("limit");
  });

  it("survives values nested a hundred thousand deep", () => {
    // Built from the inside: every level is array_value { values { … } }.
    const levels = 100_000;
    const inner = new WireWriter(16);
    let size = 0;
    const heads: Uint8Array[] = [];
    for (let i = 0; i < 2 * levels; i++) {
      inner.length = 0;
      inner.byte(i % 2 === 0 ? 0x0a : 0x2a);
      inner.varint32(size);
      heads.push(inner.bytes.slice(0, inner.length));
      size += inner.length;
    }
    const value = concatBytes(heads.reverse());
    expect(failure(() => decode(spanBody(0x4a, [0x12, [value]]))).failure).toBe("limit");
  });

  it("bounds attributes and events of one span", () => {
    const empty = (tag: number, count: number) => {
      const bytes = new Uint8Array(2 * count);
      for (let i = 0; i < count; i++) bytes[2 * i] = tag;
      return bytes;
    };
    expect(decode(spanBody(empty(0x4a, MAX_ATTRIBUTES)))[0]!.attributes.length).toBe(
      MAX_ATTRIBUTES,
    );
    expect(failure(() => decode(spanBody(empty(0x4a, MAX_ATTRIBUTES + 1)))).failure).toBe("limit");
    expect(failure(() => decode(spanBody(empty(0x5a, MAX_EVENTS + 1)))).failure).toBe("limit");
    expect(failure(() => decode(spanBody(empty(0x6a, MAX_EVENTS + 1)))).failure).toBe("limit");
  });

  it("keeps every 64-bit int", () => {
    const batch = new SpanBatch(1);
    new OtlpDecoder(batch, { maxAttributeBytes: 0 }).decode(
      encodeRequest(aRequest([aSpan({ attributes: [attribute("k", -1n)] })])),
    );
    expect(batch.attributes.types[0]).toBe(AttributeType.int);
    expect([...batch.attributes.values.subarray(0, 2)]).toEqual([0xffffffff, 0xffffffff]);
  });
});

describe("strings", () => {
  it("replaces what is not UTF-8", () => {
    const bad: [Part[], string][] = [
      [[0x61, 0xff, 0x62], "a\uFFFDb"],
      [[0xc0, 0x80], "\uFFFD\uFFFD"],
      [[0xed, 0xa0, 0x80], "\uFFFD\uFFFD\uFFFD"],
      [[0xf4, 0x90, 0x80, 0x80], "\uFFFD\uFFFD\uFFFD\uFFFD"],
      [[0xe2, 0x82], "\uFFFD"],
    ];
    for (const [bytes, expected] of bad) {
      const [span] = decode(
        spanBody(0x2a, bytes, 0x4a, [0x0a, bytes, 0x12, [0x0a, bytes]], 0x7a, [0x12, bytes]),
      );
      expect(span).toMatchObject({ name: expected, statusMessage: expected });
      expect(span!.attributes).toEqual([{ key: expected, value: expected }]);
    }
  });

  it("keeps NUL, a byte order mark and astral characters", () => {
    for (const name of ["\0", "a\0b", "\uFEFFx", "\u{10FFFF}", "\u{1F468}\u200D\u{1F469}"]) {
      expect(decodeSpan({ name }).name).toBe(name);
    }
  });

  it("cuts keys and string values between characters, and counts them by owner", () => {
    const batch = new SpanBatch(1);
    const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 5 });
    const long = [attribute("k€€", "abcd€"), attribute("short", "12345"), attribute("i", 123456n)];
    const request = aRequest([
      aSpan({
        name: "a long name stays",
        attributes: [
          ...long,
          { key: "l", value: { value: { case: "bytesValue", value: new Uint8Array(9) } } },
        ],
        events: [{ name: "a long event", attributes: [attribute("e", "123456")] }],
        links: [{ attributes: [attribute("l", "1234567"), attribute("1234567", true)] }],
      }),
    ]);
    request.resourceSpans[0]!.scopeSpans[0]!.scope!.attributes.push(
      ...create(ExportTraceServiceRequestSchema, {
        resourceSpans: [{ resource: { attributes: [attribute("s", "scoped value")] } }],
      }).resourceSpans[0]!.resource!.attributes,
    );
    decoder.decode(encodeRequest(request));
    const [span] = readBatch(batch);
    expect(span!.name).toBe("a long name stays");
    expect(span!.attributes.slice(0, 3)).toEqual([
      { key: "k€", value: "abcd" },
      { key: "short", value: "12345" },
      { key: "i", value: 123456n },
    ]);
    expect(span!.attributes[3]!.value).toEqual({ json: '{"bytesValue":"AAAAAAAAAAAA"}' });
    expect(span!.resource.attributes).toEqual([{ key: "servi", value: "shop" }]);
    expect(decoder.truncated).toEqual({ resource: 1, scope: 1, span: 2, event: 1, link: 2 });
  });

  it("does not count what a refused body had cut", () => {
    const batch = new SpanBatch(1);
    const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 2 });
    const body = encodeRequest(aRequest([aSpan({ attributes: [attribute("k", "long")] }), {}]));
    expect(failure(() => decoder.decode(body)).failure).toBe("trace_id");
    expect(decoder.truncated).toEqual({ resource: 0, scope: 0, span: 0, event: 0, link: 0 });
  });
});
