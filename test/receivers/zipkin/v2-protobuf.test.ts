import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ListOfSpansSchema } from "../../../gen/zipkin/proto3/zipkin_pb.ts";
import { BodyFormat } from "../../../src/ingest/ingest.ts";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { hexBytes } from "../../support/zipkin-builder.ts";
import { decode, valuesOf } from "./support.ts";

const FORMAT = BodyFormat.zipkinV2Protobuf;
const TRACE_ID = hexBytes("0af7651916cd43dd8448eb211c80319c");
const ID = hexBytes("b7ad6b7169203331");

function encode(over: object): Uint8Array<ArrayBuffer> {
  return toBinary(
    ListOfSpansSchema,
    create(ListOfSpansSchema, { spans: [{ traceId: TRACE_ID, id: ID, ...over }] }),
  );
}

const one = (over: object) => decode(FORMAT, encode(over))[0]!;

function failureOf(body: Uint8Array): string {
  try {
    decode(FORMAT, body);
  } catch (e) {
    if (e instanceof DecodeError) return e.failure;
    throw e;
  }
  return "none";
}

test("no byte is no span", () => {
  expect(decode(FORMAT, new Uint8Array(0))).toEqual([]);
});

test("without a timestamp the start is 1970, and no attribute says so", () => {
  expect(one({ duration: 7n })).toMatchObject({
    startUnixNano: 0n,
    endUnixNano: 7000n,
    attributes: [],
  });
});

test.each<[string, object, string]>([
  ["no trace id", { traceId: new Uint8Array(0) }, "syntax"],
  ["a trace id of 15 bytes", { traceId: new Uint8Array(15).fill(1) }, "syntax"],
  ["a trace id of zeros", { traceId: new Uint8Array(16) }, "trace_id"],
  ["no id", { id: new Uint8Array(0) }, "syntax"],
  ["an id of 16 bytes", { id: new Uint8Array(16).fill(1) }, "syntax"],
  ["an id of zeros", { id: new Uint8Array(8) }, "span_id"],
  ["a parent of 4 bytes", { parentId: new Uint8Array(4).fill(1) }, "syntax"],
  ["an IPv4 of 5 bytes", { localEndpoint: { ipv4: new Uint8Array(5) } }, "syntax"],
  ["an IPv6 of 4 bytes", { remoteEndpoint: { ipv6: new Uint8Array(4) } }, "syntax"],
  ["a timestamp of 2^53", { timestamp: 2n ** 53n }, "syntax"],
  ["a duration of 2^64 - 1", { duration: 2n ** 64n - 1n }, "syntax"],
])("%s fails", (_, over, failure) => {
  expect(failureOf(encode(over))).toBe(failure);
});

test("a port is taken as 16 bits", () => {
  expect(valuesOf(one({ localEndpoint: { port: -1 } }).attributes)).toEqual({
    "net.host.port": 65_535n,
  });
});

test("an IPv4 address in IPv6 is shown as IPv4", () => {
  const ipv6 = hexBytes("00000000000000000000ffff01020304");
  expect(valuesOf(one({ localEndpoint: { ipv6 } }).attributes)["net.host.ip"]).toBe("1.2.3.4");
});

test("an annotation may lack its timestamp", () => {
  expect(one({ annotations: [{ value: "x" }] }).events).toMatchObject([
    { name: "x", timeUnixNano: 0n },
  ]);
});

describe("the wire", () => {
  // A span of 0x1c bytes: trace id and id.
  const span = [0x0a, 0x10, ...TRACE_ID, 0x1a, 0x08, ...ID];
  const list = (...fields: number[]) =>
    Uint8Array.from([0x0a, span.length + fields.length, ...span, ...fields]);

  test("unknown fields are passed over, at every level", () => {
    const body = list(0xf2, 0x06, 1, 0, 0x5a, 7, 0x0a, 1, 0x61, 0x12, 1, 0x62, 0x18, 1);
    expect(failureOf(Uint8Array.from([...body, 0x10, 5]))).toBe("syntax");
    const valid = list(0xf2, 0x06, 1, 0, 0x5a, 8, 0x0a, 1, 0x61, 0x12, 1, 0x62, 0x18, 1);
    const [decoded] = decode(FORMAT, Uint8Array.from([...valid, 0x10, 5]));
    expect(valuesOf(decoded!.attributes)).toEqual({ a: "b" });
  });

  test("a tag may come without key, value or both", () => {
    const [decoded] = decode(FORMAT, list(0x5a, 0, 0x5a, 3, 0x0a, 1, 0x61, 0x5a, 3, 0x12, 1, 0x62));
    expect(decoded!.attributes).toEqual([
      { key: "", value: "" },
      { key: "a", value: "" },
      { key: "", value: "b" },
    ]);
  });

  test.each([
    ["a known field of another type", list(0x28, 1)],
    ["a span that ends before its field", list(0x2a, 5, 0x61)],
    ["a group", list(0x0b)],
    ["field 0", list(0x02, 0)],
    ["a list that is no message", Uint8Array.of(0x08, 1)],
  ])("%s fails", (_, body) => {
    expect(failureOf(body)).toBe("syntax");
  });

  test("kinds that nobody knows are none", () => {
    expect(decode(FORMAT, list(0x20, 9))[0]!.kind).toBe(0);
    const negative = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    expect(decode(FORMAT, list(0x20, ...negative))[0]!.kind).toBe(0);
  });
});
