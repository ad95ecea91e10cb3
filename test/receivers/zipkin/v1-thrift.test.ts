import { describe, expect, test } from "vitest";
import { BodyFormat } from "../../../src/ingest/ingest.ts";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { type ThriftSpan, type ThriftValueType, v1Thrift } from "../../support/zipkin-builder.ts";
import { decode, valuesOf } from "./support.ts";

const FORMAT = BodyFormat.zipkinV1Thrift;
const IDS = { traceId: "8448eb211c80319c", id: "b7ad6b7169203331" };
const one = (over: ThriftSpan) =>
  decode(FORMAT, v1Thrift([{ ...IDS, ...over }]), { receivedUnixMs: 1 })[0]!;

function failureOf(body: Uint8Array): string {
  try {
    decode(FORMAT, body);
  } catch (e) {
    if (e instanceof DecodeError) return e.failure;
    throw e;
  }
  return "none";
}

const doubleBytes = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return [...bytes];
};

describe("values of binary annotations", () => {
  const short = "<not enough bytes representing the number>";
  test.each<[ThriftValueType, number[], unknown]>([
    ["bool", [1], true],
    ["bool", [0], false],
    ["bool", [2], false],
    ["bool", [], false],
    ["bool", [1, 1], false],
    ["bytes", [0xff, 0xfe, 0xfd], "//79"],
    ["bytes", [1], "AQ=="],
    ["bytes", [], ""],
    ["i16", [0x12, 0x34], 0x1234n],
    ["i16", [0xff, 0xfe], -2n],
    ["i16", [1], short],
    ["i32", [0x7f, 0xff, 0xff, 0xff], 2n ** 31n - 1n],
    ["i32", [0xff, 0xff, 0xff, 0xfe], -2n],
    ["i32", [1, 2, 3], short],
    ["i64", [0x80, 0, 0, 0, 0, 0, 0, 1], -(2n ** 63n) + 1n],
    ["i64", [0], short],
    ["double", doubleBytes(-1.5), -1.5],
    ["double", [], short],
    ["string", [0xc3, 0xa4], "ä"],
  ])("%s %j is %s", (type, bytes, expected) => {
    const value = { type, bytes: Uint8Array.from(bytes) };
    const span = one({ binaryAnnotations: [{ key: "k", value }] });
    expect(valuesOf(span.attributes)).toEqual({ k: expected });
  });

  test("otel.status_code and http.status_code may be numbers", () => {
    const number = (type: ThriftValueType, ...bytes: number[]) => ({
      type,
      bytes: Uint8Array.from(bytes),
    });
    const otel = { key: "otel.status_code", value: number("i32", 0, 0, 0, 2) };
    const http = { key: "http.status_code", value: number("i16", 1, 0xf4) };
    expect(one({ binaryAnnotations: [otel] })).toMatchObject({ status: 2, attributes: [] });
    expect(one({ binaryAnnotations: [http] })).toMatchObject({
      status: 2,
      attributes: [{ key: "http.status_code", value: 500n }],
    });
  });
});

test("a span without any time has none: no time of receipt is put in", () => {
  expect(one({})).toMatchObject({ startUnixNano: 0n, endUnixNano: 0n, attributes: [] });
});

test("a parent of zeros is none; 0.0.0.0 and port 0 are no address; ports are unsigned", () => {
  const span = one({
    parentId: "0000000000000000",
    annotations: [{ value: "cs", timestamp: 1, host: { service: "s", ipv4: 0, port: 0 } }],
  });
  expect(span.parentSpanId).toBe("");
  expect(valuesOf(span.resource.attributes)).toEqual({ "service.name": "s" });
  const high = one({
    annotations: [{ value: "cs", host: { service: "s", ipv4: -1, port: 65_535 } }],
  });
  expect(valuesOf(high.resource.attributes)).toEqual({
    "service.name": "s",
    ipv4: "255.255.255.255",
    port: "65535",
  });
});

test("annotations that say nothing take no room", () => {
  const count = 100_000;
  const empty = (field: number) => [15, 0, field, 12, 0, 1, 0x86, 0xa0];
  const body = new Uint8Array(5 + 22 + 16 + 2 * count + 1);
  body.set([12, 0, 0, 0, 1, 10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 10, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2]);
  body.set(empty(6), 27);
  body.set(empty(8), 27 + 8 + count);
  expect(decode(FORMAT, body)).toMatchObject([{ events: [], attributes: [] }]);
});

test("unknown fields are passed over, to a depth", () => {
  expect(one({ unknownDepth: 30 }).spanId).toBe("b7ad6b7169203331");
  expect(failureOf(v1Thrift([{ ...IDS, unknownDepth: 1000 }]))).toBe("syntax");
});

test.each<[string, ThriftSpan, string]>([
  ["no trace id", { id: IDS.id }, "trace_id"],
  ["a trace id of zeros", { ...IDS, traceId: "0000000000000000" }, "trace_id"],
  ["no id", { traceId: IDS.traceId }, "span_id"],
  ["a negative timestamp", { ...IDS, timestamp: -1 }, "syntax"],
  ["a negative duration", { ...IDS, duration: -1 }, "syntax"],
  ["an annotation before 1970", { ...IDS, annotations: [{ timestamp: -1 }] }, "syntax"],
  [
    "an IPv6 of 4 bytes",
    { ...IDS, annotations: [{ host: { ipv6: new Uint8Array(4) } }] },
    "syntax",
  ],
])("%s fails", (_, span, failure) => {
  expect(failureOf(v1Thrift([span]))).toBe(failure);
});

test.each([
  ["no byte", []],
  ["a list of 2^31 - 1 structs", [12, 0x7f, 0xff, 0xff, 0xff]],
  ["a list of -1 structs", [12, 0xff, 0xff, 0xff, 0xff]],
  ["a list of numbers", [8, 0, 0, 0, 1, 0, 0, 0, 0]],
  ["a list of 2^31 - 1 annotations", [12, 0, 0, 0, 1, 15, 0, 6, 12, 0x7f, 0xff, 0xff, 0xff, 0]],
  ["a name of 2^31 - 1 bytes", [12, 0, 0, 0, 1, 11, 0, 3, 0x7f, 0xff, 0xff, 0xff, 0]],
  ["a name that is a number", [12, 0, 0, 0, 1, 8, 0, 3, 0, 0, 0, 0, 0]],
])("%s fails", (_, bytes) => {
  expect(failureOf(Uint8Array.from(bytes))).toBe("syntax");
});

test("an empty list is no spans", () => {
  expect(decode(FORMAT, Uint8Array.of(12, 0, 0, 0, 0))).toEqual([]);
});
