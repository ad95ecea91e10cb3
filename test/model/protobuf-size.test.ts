import { expect, test } from "vitest";
import { makeRequests } from "../../bench/workload.ts";
import { otlpProtobufSize } from "../../src/model/protobuf-size.ts";
import { SpanBatch } from "../../src/model/span-batch.ts";
import { OtlpDecoder } from "../../src/receivers/otlp/decode.ts";
import { aRequest, aSpan, attributes, encodeRequest, hex } from "../support/otlp-builder.ts";

/** Of the workload; each has one scope. */
const SERVICES = 12;

test("spans decoded from OTLP have the size they came in", () => {
  const batch = new SpanBatch(7);
  const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 0 });
  for (const body of makeRequests({ spans: 3000, seed: 3 })) {
    const from = batch.spanCount;
    decoder.decode(body);
    const size = otlpProtobufSize(batch, from);
    expect(Math.abs(size - body.length)).toBeLessThan(4 * SERVICES);
  }
});

test("every field counts", () => {
  const batch = new SpanBatch(7);
  const body = encodeRequest(
    aRequest([
      aSpan({
        parentSpanId: hex("00000000000000ff"),
        traceState: "a=b",
        kind: 2,
        flags: 1,
        droppedAttributesCount: 300,
        droppedEventsCount: 1,
        droppedLinksCount: 70_000,
        status: { code: 2, message: "x".repeat(200) },
        attributes: attributes({ s: "", i: -1n, j: 1n << 35n, k: 128n, d: 1.5, b: false }),
        events: [
          {
            timeUnixNano: 5n,
            name: "e",
            droppedAttributesCount: 2,
            attributes: attributes({ a: "b" }),
          },
        ],
        links: [
          {
            traceId: hex("0af7651916cd43dd8448eb211c80319c"),
            spanId: hex("b7ad6b7169203331"),
            traceState: "c=d",
            flags: 1,
            droppedAttributesCount: 3,
            attributes: attributes({ a: 2n ** 62n }),
          },
        ],
      }),
    ]),
  );
  new OtlpDecoder(batch, { maxAttributeBytes: 0 }).decode(body);
  // The lengths of ResourceSpans and ScopeSpans take two bytes here.
  expect(otlpProtobufSize(batch, 0)).toBe(body.length - 2);
});
