import { describe, expect, test } from "vitest";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { scanThriftBatch } from "../../../src/receivers/jaeger/count-spans.ts";
import {
  type JaegerThriftBody,
  JaegerThriftDecoder,
} from "../../../src/receivers/jaeger/decode-thrift.ts";
import {
  aJaegerSpan,
  thriftBatch,
  thriftProcess,
  thriftSpan,
  thriftTag,
} from "../../support/jaeger-builder.ts";
import { type PlainSpan, readBatch } from "../../support/read-batch.ts";
import {
  encodeMessage,
  encodeStruct,
  type ThriftField,
  type ThriftStruct,
} from "../../support/thrift-encoder.ts";
import { emitBatch } from "./support.ts";

const PROCESS = thriftProcess({ service: "shop", tags: [] });
const SPAN = thriftSpan(aJaegerSpan());

function decode(body: Uint8Array, kind: JaegerThriftBody = "batch"): PlainSpan[] {
  const batch = new SpanBatch(7);
  const decoder = new JaegerThriftDecoder(batch, { maxAttributeBytes: 2048 });
  try {
    decoder.decode(body, kind);
  } catch (error) {
    expect(batch.mark()).toEqual(new SpanBatch(7).mark());
    throw error;
  }
  return readBatch(batch);
}

const decodeBatch = (batch: ThriftStruct) => decode(encodeStruct(batch, "binary"));
const syntax = (message: string) =>
  expect.objectContaining({ failure: "syntax", message: expect.stringContaining(message) });

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

describe("payloads of Apache Thrift for Node 0.24.0", () => {
  const BATCH =
    "0c00010b00010000000173000f00020c000000010a000100000000000000010a000200000000000000000a0003000000" +
    "00000000020a000400000000000000000b0005000000026f70080007000000010a000800000000000f42400a00090000" +
    "0000000000050f000a0c000000030b00010000000161080002000000000b00030000000162000b000100000005657272" +
    "6f720800020000000202000501000b00010000000164080002000000010400043ff8000000000000000000";
  const COMPACT =
    "82810009656d697442617463681c1c18017300191c160216001604160018026f7025021680897a160a193c" +
    "18016115001801620018056572726f7215043100180164150227000000000000f83f00000000";

  test.each<[string, string, JaegerThriftBody]>([
    ["a bare batch", BATCH, "batch"],
    ["a bare batch and more", `${BATCH}ffffff`, "batch"],
    [
      "a binary message",
      `8001000400000009656d69744261746368000000000c0001${BATCH}00`,
      "binary message",
    ],
    [
      "a binary message without version",
      `00000009656d6974426174636804000000000c0001${BATCH}00`,
      "binary message",
    ],
    [
      "a binary call",
      `8001000100000009656d69744261746368000000070c0001${BATCH}00`,
      "binary message",
    ],
    ["a compact message", COMPACT, "compact message"],
    ["a compact call", COMPACT.replace(/^8281/, "8221"), "compact message"],
  ])("%s", (_, body, kind) => {
    expect(decode(fromHex(body), kind)).toMatchObject([
      {
        traceId: "00000000000000000000000000000001",
        spanId: "0000000000000002",
        parentSpanId: "",
        name: "op",
        startUnixNano: 1_000_000_000n,
        endUnixNano: 1_000_005_000n,
        kind: 0,
        status: 2,
        statusMessage: "",
        attributes: [
          { key: "a", value: "b" },
          { key: "d", value: 1.5 },
        ],
        resource: { attributes: [{ key: "service.name", value: "s" }], serviceName: "s" },
      },
    ]);
  });
});

describe("messages that no agent takes", () => {
  test.each<[string, Uint8Array, JaegerThriftBody, string]>([
    ["of another method", encodeMessage("other", [], "compact"), "compact message", "method other"],
    [
      "with Zipkin's spans",
      encodeMessage("emitZipkinBatch", [[1, "structs", [SPAN]]], "binary"),
      "binary message",
      "method emitZipkinBatch",
    ],
    [
      "without a batch",
      encodeMessage("emitBatch", [], "compact"),
      "compact message",
      "without a batch",
    ],
    [
      "of the other protocol",
      encodeMessage("emitBatch", emitBatch(thriftBatch([SPAN])), "binary"),
      "compact message",
      "compact protocol",
    ],
    ["of no byte", new Uint8Array(0), "binary message", "truncated"],
  ])("%s", (_, body, kind, message) => {
    expect(() => decode(body, kind)).toThrow(syntax(message));
  });
});

describe("fields", () => {
  const without = (struct: ThriftStruct, id: number) => struct.filter((field) => field[0] !== id);
  const withType = (struct: ThriftStruct, id: number): ThriftStruct =>
    struct.map((field): ThriftField => (field[0] === id ? [id, "bool", true] : field));
  const inSpan = (...fields: ThriftField[]) => thriftBatch([[...SPAN, ...fields]]);
  const TAG = thriftTag(["k", "v"]);
  const LOG: ThriftStruct = [
    [1, "i64", 1n],
    [2, "structs", []],
  ];
  const REFERENCE: ThriftStruct = [
    [1, "i32", 0],
    [2, "i64", 1n],
    [3, "i64", 0n],
    [4, "i64", 2n],
  ];
  const PLACES: readonly [
    string,
    ThriftStruct,
    readonly number[],
    (struct: ThriftStruct) => ThriftStruct,
  ][] = [
    ["batch", thriftBatch([SPAN]), [1, 2], (struct) => struct],
    ["process", PROCESS, [1], (struct) => thriftBatch([SPAN], struct)],
    ["span", SPAN, [1, 2, 3, 4, 5, 7, 8, 9], (struct) => thriftBatch([struct])],
    ["tag", TAG, [1, 2], (struct) => inSpan([10, "structs", [struct]])],
    ["log", LOG, [1, 2], (struct) => inSpan([11, "structs", [struct]])],
    ["reference", REFERENCE, [1, 2, 3, 4], (struct) => inSpan([6, "structs", [struct]])],
  ];
  const cases = PLACES.flatMap(([what, struct, ids, wrap]) =>
    ids.map((id) => [what, id, struct, wrap] as const),
  );

  test.each(cases)("a %s needs its field %i", (what, id, struct, wrap) => {
    expect(decodeBatch(wrap(struct)).length).toBe(1);
    expect(() => decodeBatch(wrap(without(struct, id)))).toThrow(
      syntax(`${what} without its field ${id}`),
    );
    // One of another type is not that field.
    expect(() => decodeBatch(wrap(withType(struct, id)))).toThrow(
      syntax(`${what} without its field ${id}`),
    );
  });

  test("a process that no span needs is one all the same", () => {
    expect(decodeBatch(thriftBatch([]))).toEqual([]);
    expect(() => decodeBatch(thriftBatch([], []))).toThrow(syntax("process without its field 1"));
  });

  test("may come in any order, the process after the spans", () => {
    const [process, spans] = thriftBatch([[...SPAN].reverse()]);
    const found = decodeBatch([spans!, process!]);
    expect(found).toEqual(decodeBatch(thriftBatch([SPAN])));
  });

  test("that are unknown are skipped, and optional ones of another type", () => {
    const odd: ThriftField[] = [
      [12, "bool", false],
      [99, "struct", [[1, "structs", [SPAN]]]],
      [-1, "double", 1],
      [6, "i32", 1],
      [10, "string", "x"],
      [11, "struct", []],
    ];
    const batch: ThriftStruct = [
      [3, "i64", 5n],
      [4, "struct", [[1, "i64", 1n]]],
      ...thriftBatch([[...SPAN, ...odd]]),
      [9, "structs", []],
    ];
    for (const protocol of ["binary", "compact"] as const) {
      const body = encodeMessage("emitBatch", emitBatch(batch), protocol);
      const found = decode(body, protocol === "binary" ? "binary message" : "compact message");
      expect(found).toMatchObject([{ name: "op", attributes: [], events: [], links: [] }]);
    }
  });

  test("a value that is missing is the zero of its type", () => {
    const tags = [0, 1, 2, 3, 4].map(
      (vType): ThriftStruct => [
        [1, "string", `t${vType}`],
        [2, "i32", vType],
      ],
    );
    const [span] = decodeBatch(inSpan([10, "structs", tags]));
    expect(span!.attributes.map((a) => a.value)).toEqual([
      "",
      0,
      false,
      0n,
      { json: '{"bytesValue":""}' },
    ]);
  });
});

describe("what claims more than there is, is refused at once", () => {
  const bytesOf = (...parts: (string | number[])[]) =>
    Uint8Array.from(
      parts.flatMap((part) => (typeof part === "string" ? [...Buffer.from(part, "hex")] : part)),
    );
  const PROCESS_HEX = "0c00010b00010000000173000f0002";
  test.each<[string, Uint8Array]>([
    ["2^31 - 1 spans", bytesOf(PROCESS_HEX, [12, 0x7f, 0xff, 0xff, 0xff])],
    ["-1 spans", bytesOf(PROCESS_HEX, [12, 0xff, 0xff, 0xff, 0xff])],
    ["spans that are strings", bytesOf(PROCESS_HEX, [11, 0, 0, 0, 1, 0, 0, 0, 0, 0])],
    ["a name of 2^31 - 1 bytes", bytesOf("0c00010b0001", [0x7f, 0xff, 0xff, 0xff, 0x73])],
    ["a map of 2^31 - 1 pairs", bytesOf("0d0063", [2, 2, 0x7f, 0xff, 0xff, 0xff])],
    ["a type that there is not", bytesOf("070001")],
    ["structs without end", bytesOf("0c0063".repeat(100_000))],
    ["lists in lists", bytesOf("0f0063", "0f00000001".repeat(100_000))],
  ])("%s", (_, body) => {
    expect(() => decode(body)).toThrow(syntax(""));
  });

  test.each([
    ["tags", 10, thriftTag(["k", true])],
    [
      "logs",
      11,
      [
        [1, "i64", 1n],
        [2, "structs", []],
      ],
    ],
    [
      "references",
      6,
      [
        [1, "i32", 0],
        [2, "i64", 1n],
        [3, "i64", 0n],
        [4, "i64", 2n],
      ],
    ],
  ] as const)("more than 65535 %s", (_, id, struct) => {
    const many = new Array<ThriftStruct>(65_536).fill(struct);
    expect(() => decodeBatch(thriftBatch([[...SPAN, [id, "structs", many]]]))).toThrow(
      expect.objectContaining({ failure: "limit" }),
    );
  });
});

test("spans without anything are left out", () => {
  const blank: ThriftStruct = [
    ...[1, 2, 3, 4].map((id): ThriftField => [id, "i64", 0n]),
    [5, "string", ""],
    [7, "i32", 0],
    [8, "i64", 0n],
    [9, "i64", 0n],
  ];
  expect(decodeBatch(thriftBatch([blank, SPAN, blank])).length).toBe(1);
  for (const field of [
    [4, "i64", 1n],
    [5, "string", "a"],
    [7, "i32", 1],
    [8, "i64", 1n << 32n],
    [10, "structs", []],
  ] as const) {
    const almost = blank.map((each): ThriftField => (each[0] === field[0] ? field : each));
    if (field[0] === 10) almost.push(field);
    expect(() => decodeBatch(thriftBatch([almost]))).toThrow(
      expect.objectContaining({ failure: "trace_id" }),
    );
  }
});

test("processes of equal bytes share a row, but not over the two protocols", () => {
  const batch = new SpanBatch(7);
  const decoder = new JaegerThriftDecoder(batch, { maxAttributeBytes: 2048 });
  const body = encodeStruct(thriftBatch([SPAN, SPAN]), "binary");
  const message = encodeMessage("emitBatch", emitBatch(thriftBatch([SPAN])), "compact");
  const refused = encodeStruct(thriftBatch([SPAN, []]), "binary");
  expect(() => decoder.decode(refused, "batch")).toThrow(DecodeError);
  decoder.decode(body, "batch");
  decoder.decode(body, "batch");
  expect([batch.spanCount, batch.resourceCount]).toEqual([4, 1]);
  decoder.decode(message, "compact message");
  decoder.decode(message, "compact message");
  expect([batch.spanCount, batch.resourceCount, batch.scopeCount]).toEqual([6, 2, 1]);
  expect(readBatch(batch).every((span) => span.resource.serviceName === "shop")).toBe(true);
});

test("spans of a refused body are counted up to what is malformed", () => {
  const batch = thriftBatch([SPAN, SPAN, SPAN]);
  const body = encodeStruct(batch, "binary");
  expect(scanThriftBatch(body, "batch")).toEqual({ spanCount: 3, complete: true });
  expect(scanThriftBatch(body.subarray(0, body.length - 3), "batch")).toEqual({
    spanCount: 2,
    complete: false,
  });
  const message = encodeMessage("emitBatch", emitBatch(batch), "compact");
  expect(scanThriftBatch(message, "compact message")).toEqual({ spanCount: 3, complete: true });
  expect(scanThriftBatch(encodeStruct([], "binary"), "batch").complete).toBe(false);
});
