import { describe, expect, it } from "vitest";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { OtlpDecoder } from "../../../src/receivers/otlp/decode.ts";
import { otlpJsonToProtobuf } from "../../../src/receivers/otlp/json.ts";
import { MAX_JSON_DEPTH } from "../../../src/receivers/shared/json-reader.ts";
import { type PlainSpan, type PlainValue, readBatch } from "../../support/read-batch.ts";

const IDS = '"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331"';

function decode(json: string | Uint8Array): PlainSpan[] {
  const bytes = typeof json === "string" ? new TextEncoder().encode(json) : json;
  const batch = new SpanBatch(3);
  new OtlpDecoder(batch, { maxAttributeBytes: 0 }).decode(otlpJsonToProtobuf(bytes));
  return readBatch(batch);
}

/** A span of these members beside its ids. */
function span(members: string): PlainSpan {
  return decode(`{"resourceSpans":[{"scopeSpans":[{"spans":[{${IDS},${members}}]}]}]}`)[0]!;
}

function value(json: string): PlainValue {
  return span(`"attributes":[{"key":"k","value":${json}}]`).attributes[0]!.value;
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof DecodeError) return `${error.failure}: ${error.message}`;
    throw error;
  }
  return "nothing was thrown";
}

describe("ids", () => {
  it("are hex in any letter case", () => {
    const [read] = decode(
      '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0AF7651916cd43dd8448eb211c80319C",' +
        '"spanId":"B7AD6B7169203331","parentSpanId":"00000000000000Ff",' +
        '"links":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":""}]}]}]}]}',
    );
    expect(read).toMatchObject({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      parentSpanId: "00000000000000ff",
    });
    expect(read!.links[0]).toMatchObject({ traceId: read!.traceId, spanId: "" });
  });

  it.each(["abc", "zzzzzzzzzzzzzzzz", "CvdlGRbNQ92ESOshHIAxnA==", "b7ad6b71692033310"])(
    "are refused when they are %s",
    (id) => {
      expect(refusal(() => span(`"parentSpanId":"${id}"`))).toMatch(
        /^syntax: .*parent_span_id: expected 16 hex digits/,
      );
    },
  );

  it("are refused when they are numbers", () => {
    expect(refusal(() => span('"parentSpanId":1234567890123456'))).toMatch(/^syntax/);
  });
});

describe("names", () => {
  it("are read in lowerCamelCase and snake_case", () => {
    const [read] = decode(
      '{"resource_spans":[{"schema_url":"r","scope_spans":[{"schema_url":"s","spans":[{' +
        '"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331",' +
        '"start_time_unix_nano":"1","end_time_unix_nano":"2","dropped_links_count":3,' +
        '"trace_state":"a=b","attributes":[{"key":"k","value":{"int_value":"5"}}]}]}]}]}',
    );
    expect(read).toMatchObject({
      startUnixNano: 1n,
      endUnixNano: 2n,
      droppedLinks: 3,
      traceState: "a=b",
      attributes: [{ key: "k", value: 5n }],
      resource: { schemaUrl: "r" },
      scope: { schemaUrl: "s" },
    });
  });

  it("that are unknown are ignored at every level", () => {
    const x = '"x":[{"y":{"z":[1,2.5e3,true,false,null,"\\u00e9"]}}],"__proto__":{"a":1}';
    const [read] = decode(
      `{${x},"resourceSpans":[{${x},"resource":{${x}},"scopeSpans":[{${x},"scope":{${x}},` +
        `"spans":[{${x},${IDS},"attributes":[{${x},"key":"k","value":{${x},"boolValue":true}}],` +
        `"status":{${x},"code":1},"events":[{${x}}],"links":[{${x}}]}]}]}]}`,
    );
    expect(read).toMatchObject({ status: 1, attributes: [{ key: "k", value: true }] });
  });

  it("may be longer than any known name, or hold escapes", () => {
    expect(span(`"${"n".repeat(5000)}":1,"n\\u0061me":"x"`).name).toBe("x");
  });

  it("of the legacy scope spans are parsed, not used", () => {
    const body = `{"resourceSpans":[{"deprecatedScopeSpans":[{"spans":[{${IDS}}]}]}]}`;
    expect(decode(body)).toEqual([]);
  });
});

describe("enums", () => {
  it.each([
    ["2", 2],
    ['"SPAN_KIND_CONSUMER"', 5],
    ["99", 99],
    ["-1", -1],
    ["0", 0],
  ])("take %s", (json, kind) => {
    expect(span(`"kind":${json}`).kind).toBe(kind);
  });

  it.each(['"SPAN_KIND_NONE"', '"2"', "2.0", "2e0", "true", "2147483648", '""', "[]"])(
    "refuse %s",
    (json) => {
      expect(refusal(() => span(`"kind":${json}`))).toMatch(/^syntax/);
    },
  );

  it("of the status likewise", () => {
    expect(span('"status":{"code":"STATUS_CODE_ERROR","message":"m"}')).toMatchObject({
      status: 2,
      statusMessage: "m",
    });
  });
});

describe("64-bit integers", () => {
  it("come as strings or as numbers, without loss", () => {
    const time = 1700000000123456789n;
    expect(span(`"startTimeUnixNano":${time}`).startUnixNano).toBe(time);
    expect(span(`"endTimeUnixNano":"${2n ** 64n - 1n}"`).endUnixNano).toBe(2n ** 64n - 1n);
    expect(span(`"events":[{"timeUnixNano":${time}}]`).events[0]!.timeUnixNano).toBe(time);
    expect(value(`{"intValue":${-(2n ** 63n)}}`)).toBe(-(2n ** 63n));
    expect(value(`{"intValue":"${2n ** 63n - 1n}"}`)).toBe(2n ** 63n - 1n);
    expect(value('{"intValue":0}')).toBe(0n);
  });

  it.each(["1.0", "1e3", '"1.5"', '"x"', '""', '" 1"', '"0x10"', `${2n ** 63n}`, "true", "{}"])(
    "refuse %s",
    (json) => {
      expect(refusal(() => value(`{"intValue":${json}}`))).toMatch(/^syntax/);
    },
  );

  it.each(["-1", `${2n ** 64n}`, "1e18"])("refuse %s as a time", (json) => {
    expect(refusal(() => span(`"startTimeUnixNano":${json}`))).toMatch(/^syntax/);
  });
});

describe("32-bit integers", () => {
  it("come as numbers or decimal strings", () => {
    expect(span('"flags":4294967295,"droppedEventsCount":"7"')).toMatchObject({
      flags: 2 ** 32 - 1,
      droppedEvents: 7,
    });
  });

  it.each(["4294967296", "-1", "1.5", '"a"'])("refuse %s", (json) => {
    expect(refusal(() => span(`"flags":${json}`))).toMatch(/^syntax/);
    expect(refusal(() => span(`"droppedLinksCount":${json}`))).toMatch(/^syntax/);
  });
});

describe("values", () => {
  it.each([
    ["1.5", 1.5],
    ["5", 5],
    ["-0", -0],
    ["1e-7", 1e-7],
    ['"2.5"', 2.5],
    ['"NaN"', Number.NaN],
    ['"Infinity"', Number.POSITIVE_INFINITY],
    ['"-Infinity"', Number.NEGATIVE_INFINITY],
  ])("doubles take %s", (json, expected) => {
    expect(value(`{"doubleValue":${json}}`)).toBe(expected);
  });

  it.each(['"inf"', '""', "1e999", "NaN", ".5", "01", "true", '"1,5"'])(
    "doubles refuse %s",
    (json) => {
      expect(refusal(() => value(`{"doubleValue":${json}}`))).toMatch(/^syntax/);
    },
  );

  it("bools take true and false only", () => {
    expect(value('{"boolValue":false}')).toBe(false);
    for (const json of ['"true"', "1", "tru"]) {
      expect(refusal(() => value(`{"boolValue":${json}}`))).toMatch(/^syntax/);
    }
  });

  it("bytes take padded base64 only", () => {
    expect(value('{"bytesValue":"+/8="}')).toEqual({ json: '{"bytesValue":"+/8="}' });
    expect(value('{"bytesValue":""}')).toEqual({ json: '{"bytesValue":""}' });
    for (const text of ["-_8=", "+/8", "====", "a b="]) {
      expect(refusal(() => value(`{"bytesValue":"${text}"}`))).toMatch(/^syntax/);
    }
  });

  it("arrays and kvlists have their members in values", () => {
    const json =
      '{"kvlistValue":{"values":[{"key":"a","value":{"arrayValue":{"values":' +
      '[{"intValue":"1"},{"stringValue":"x"},{}]}}}]}}';
    expect(value(json)).toEqual({ json });
  });

  it("strings refuse other types", () => {
    for (const json of ["5", "true", "{}", "[]"]) {
      expect(refusal(() => value(`{"stringValue":${json}}`))).toMatch(
        /^syntax: .*string_value: expected a string/,
      );
    }
  });

  it("are the last member of several", () => {
    expect(value('{"stringValue":"a","intValue":"1","boolValue":true}')).toBe(true);
    expect(value('{"stringValue":"a","intValue":"1","stringValue":"b"}')).toBe("b");
    expect(value('{"stringValue":"a","intValue":null}')).toBe("a");
  });
});

describe("null", () => {
  it("is the same as absent everywhere", () => {
    const names =
      "traceState parentSpanId name kind startTimeUnixNano endTimeUnixNano attributes " +
      "droppedAttributesCount events links status flags";
    const nulls = names.split(" ").map((name) => `"${name}":null`);
    expect(span(nulls.join(","))).toEqual(span('"x":1'));
    expect(value('{"bytesValue":null}')).toEqual({ json: "{}" });
    expect(value("null")).toEqual({ json: "{}" });
    expect(decode('{"resourceSpans":null}')).toEqual([]);
    expect(decode('{"resourceSpans":[null,{"scopeSpans":[null]}]}')).toEqual([]);
  });

  it("keeps its place in an array value", () => {
    expect(value('{"arrayValue":{"values":[null,{"boolValue":true}]}}')).toEqual({
      json: '{"arrayValue":{"values":[{},{"boolValue":true}]}}',
    });
  });
});

describe("text", () => {
  it("has all escapes of JSON, and U+FFFD for half a surrogate pair", () => {
    const name = (json: string): string => span(`"name":${json}`).name;
    expect(name('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\u20ac"')).toBe('"\\/\b\f\n\r\t\0é€');
    expect(name('"\\ud83d\\uDE00 \u{1F600}"')).toBe("\u{1F600} \u{1F600}");
    expect(name('"\\ud83d x"')).toBe("\uFFFD x");
    expect(name('"\\ude00\\ud83d\\u0041"')).toBe("\uFFFD\uFFFDA");
  });

  it.each(['"\\x"', '"\\u12g4"', '"a\nb"', '"open', '"\\'])("refuses the string %s", (json) => {
    expect(refusal(() => span(`"name":${json}`))).toMatch(/^syntax/);
  });

  it("may have space, a byte order mark before it, and anything behind it", () => {
    expect(decode('\uFEFF \n{ "resourceSpans" : [ ] , "a" : 1 } trailing {')).toEqual([]);
  });

  it.each([
    "",
    " ",
    "[]",
    "null",
    "{",
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{,}",
    '{"a":1 "b":2}',
    "{a:1}",
  ])("is refused when it is %j", (json) => {
    expect(refusal(() => decode(json))).toMatch(/^syntax: invalid JSON/);
  });

  it("is refused when a list or message has another type", () => {
    expect(refusal(() => decode('{"resourceSpans":{}}'))).toMatch(/expected an array/);
    expect(refusal(() => decode('{"resourceSpans":[5]}'))).toMatch(/expected an object/);
  });

  it("has a bounded nesting, also in members that are ignored", () => {
    const deep = (levels: number) => `{"x":${"[".repeat(levels)}${"]".repeat(levels)}}`;
    expect(decode(deep(MAX_JSON_DEPTH - 1))).toEqual([]);
    expect(refusal(() => decode(deep(MAX_JSON_DEPTH)))).toMatch(/^limit/);
    expect(refusal(() => decode(`{"x":${"[".repeat(1_000_000)}`))).toMatch(/^limit/);
    expect(refusal(() => decode('{"x":'.repeat(1_000_000)))).toMatch(/^limit/);
  });
});
