import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ProcessSchema, SpanSchema } from "../../../gen/jaeger/api_v2/model_pb.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { JaegerProtobufDecoder } from "../../../src/receivers/jaeger/decode-protobuf.ts";
import { jaegerJsonToProtobuf } from "../../../src/receivers/jaeger/span-json.ts";
import { timeOf } from "../../../src/receivers/shared/json-times.ts";
import {
  aJaegerSpan,
  encodePostSpans,
  type JaegerProcess,
  protobufProcess,
  protobufSpan,
} from "../../support/jaeger-builder.ts";
import { readBatch } from "../../support/read-batch.ts";

const SHOP: JaegerProcess = { service: "shop", tags: [["host", "a"]] };
const SPAN = aJaegerSpan({
  tags: [
    ["text", "v"],
    ["yes", true],
    ["int", -9007199254740993n],
    ["double", 2.5],
    ["bytes", new Uint8Array([0, 250, 255])],
  ],
  references: [
    { traceId: "0102030405060708090a0b0c0d0e0f10", spanId: "2122232425262728", type: "childOf" },
    {
      traceId: "ff02030405060708090a0b0c0d0e0f10",
      spanId: "3132333435363738",
      type: "followsFrom",
    },
  ],
  logs: [{ micros: 1_700_000_000_123_457n, fields: [["event", "retry"]] }],
});
const MESSAGE = create(SpanSchema, {
  ...protobufSpan(SPAN),
  process: create(ProcessSchema, protobufProcess(SHOP)),
});

const decoderOver = (batch: SpanBatch) =>
  new JaegerProtobufDecoder(batch, { maxAttributeBytes: 2048 });

function decodeSpan(body: Uint8Array) {
  const batch = new SpanBatch(7);
  expect(decoderOver(batch).decodeSpan(body)).toBe(1);
  return readBatch(batch);
}

test("a span alone is stored as the same span in a request", () => {
  const batch = new SpanBatch(7);
  decoderOver(batch).decode(encodePostSpans([protobufSpan(SPAN)], SHOP));
  expect(decodeSpan(toBinary(SpanSchema, MESSAGE))).toEqual(readBatch(batch));
});

test("the JSON form of a span is the same span", () => {
  const json = new TextEncoder().encode(toJsonString(SpanSchema, MESSAGE));
  expect(fromBinary(SpanSchema, jaegerJsonToProtobuf(json))).toEqual(MESSAGE);
  expect(decodeSpan(jaegerJsonToProtobuf(json))).toEqual(decodeSpan(toBinary(SpanSchema, MESSAGE)));
});

test("two spans alone in one batch keep their own processes", () => {
  const batch = new SpanBatch(7);
  const decoder = decoderOver(batch);
  for (const service of ["shop", "bank"]) {
    const process = create(ProcessSchema, protobufProcess({ service, tags: [] }));
    const span = create(SpanSchema, { ...protobufSpan(SPAN), process });
    decoder.decodeSpan(toBinary(SpanSchema, span));
  }
  expect(readBatch(batch).map((span) => span.resource)).toMatchObject([
    { attributes: [{ key: "service.name" }] },
    { attributes: [{ key: "service.name" }] },
  ]);
});

test("a span cut short anywhere is refused or taken, and the batch stays whole", () => {
  const body = toBinary(SpanSchema, MESSAGE);
  const batch = new SpanBatch(7);
  const decoder = decoderOver(batch);
  for (let length = 0; length < body.length; length++) {
    const before = batch.spanCount;
    try {
      expect(decoder.decodeSpan(body.subarray(0, length))).toBe(batch.spanCount - before);
    } catch (e) {
      expect(e).toMatchObject({ name: "DecodeError" });
      expect(batch.spanCount).toBe(before);
    }
  }
});

test.each([
  ["timestamp", "1970-01-01T00:00:00Z", 0n, 0],
  ["timestamp", "2023-11-14T22:13:20.123456789Z", 1_700_000_000n, 123_456_789],
  ["timestamp", "2023-11-14T23:13:20.5+01:00", 1_700_000_000n, 500_000_000],
  ["timestamp", "1969-12-31T23:59:59.25Z", -1n, 250_000_000],
  ["timestamp", "0001-01-01T00:00:00Z", -62_135_596_800n, 0],
  ["duration", "1.5s", 1n, 500_000_000],
  ["duration", "-0.000000001s", 0n, -1],
  ["duration", "0s", 0n, 0],
] as const)("the %s %s is read", (kind, text, seconds, nanos) => {
  const time = timeOf(kind, text)!;
  expect([time.seconds, time.nanos + 0]).toEqual([seconds, nanos]);
});

test.each([
  ["timestamp", "2023-02-29T00:00:00Z"],
  ["timestamp", "2023-01-01T24:00:00Z"],
  ["timestamp", "2023-01-01 00:00:00Z"],
  ["timestamp", "2023-01-01T00:00:00"],
  ["timestamp", "now"],
  ["duration", "1.5"],
  ["duration", "1.0000000001s"],
  ["duration", "1m"],
] as const)("the %s %s is refused", (kind, text) => {
  expect(timeOf(kind, text)).toBeUndefined();
});
