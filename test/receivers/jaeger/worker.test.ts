import { expect, test } from "vitest";
import { BodyEncoding, BodyFormat } from "../../../src/ingest/ingest.ts";
import { IngestWorker } from "../../../src/ingest/ingest-worker.ts";
import { DERIVE_NOTHING, type FromIngestWorker } from "../../../src/ingest/messages.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import type { SegmentWriter } from "../../../src/storage/segments/segment-writer.ts";
import { newBatchDecoder } from "../../../src/threads/decoders.ts";
import { aJaegerSpan, thriftBatch, thriftSpan } from "../../support/jaeger-builder.ts";
import { aRequest, aSpan, encodeRequest } from "../../support/otlp-builder.ts";
import { readBatch } from "../../support/read-batch.ts";
import { encodeMessage } from "../../support/thrift-encoder.ts";
import { emitBatch, encodeJaeger } from "./support.ts";

const SPANS = [
  aJaegerSpan(),
  aJaegerSpan({ spanId: "2122232425262728", tags: [["key", "value"]] }),
];
const BODIES: readonly (readonly [string, BodyFormat, Uint8Array])[] = [
  ["gRPC", BodyFormat.jaegerProtobuf, encodeJaeger("protobuf", SPANS)],
  ["Thrift over HTTP", BodyFormat.jaegerThrift, encodeJaeger("binary", SPANS)],
  [
    "the agent, binary",
    BodyFormat.jaegerAgentBinary,
    encodeMessage("emitBatch", emitBatch(thriftBatch(SPANS.map(thriftSpan))), "binary"),
  ],
  ["the agent, compact", BodyFormat.jaegerAgentCompact, encodeJaeger("compact", SPANS)],
];

/** Replies of a worker to one record. */
function replyOf(format: BodyFormat, body: Uint8Array, bytesPerSecond: number): FromIngestWorker {
  const replies: FromIngestWorker[] = [];
  const worker = new IngestWorker({
    newDecoder: newBatchDecoder,
    newSeed: () => 7,
    nowMs: () => 0,
    segments: {} as SegmentWriter,
    send: (reply) => replies.push(reply),
  });
  worker.receive({
    type: "record",
    id: 1,
    tenant: "t",
    format,
    encoding: BodyEncoding.identity,
    maxDecodedBytes: 1_000_000,
    maxAttributeBytes: 0,
    rate: { bytesPerSecond, burstBytes: bytesPerSecond },
    receivedUnixMs: 0,
    derive: DERIVE_NOTHING,
    body: new Uint8Array(body).buffer,
  });
  return replies[0]!;
}

test.each(BODIES)("spans by %s are taken, and count as OTLP in protobuf", (_, format, body) => {
  const reply = replyOf(format, body, 1_000_000);
  expect(reply).toMatchObject({ type: "decoded", spanCount: 2 });
  expect((reply as { protobufBytes: number }).protobufBytes).toBe(
    (replyOf(BODIES[0]![1], BODIES[0]![2], 1_000_000) as { protobufBytes: number }).protobufBytes,
  );
});

test.each(BODIES)("spans by %s over the rate are refused whole and counted", (_, format, body) => {
  expect(replyOf(format, body, 100)).toMatchObject({
    type: "refused",
    kind: "limited",
    reason: "rate_limited",
    spanCount: 2,
  });
});

test.each(BODIES)(
  "what is cut by %s is malformed, and its whole spans counted",
  (_, format, body) => {
    expect(replyOf(format, body.subarray(0, body.length - 4), 1_000_000)).toMatchObject({
      type: "refused",
      kind: "malformed",
      reason: "unknown_error",
      // The length of protobuf's outermost message is wrong already.
      spanCount: format === BodyFormat.jaegerProtobuf ? 0 : 1,
    });
  },
);

test("all formats and OTLP fill one batch, and count what they cut together", () => {
  const batch = new SpanBatch(7);
  const decoder = newBatchDecoder(batch, { maxAttributeBytes: 4 });
  for (const [, format, body] of BODIES) decoder.decode(format, body);
  decoder.decode(BodyFormat.otlpProtobuf, encodeRequest(aRequest([aSpan()])));
  const spans = readBatch(batch);
  expect(spans.length).toBe(9);
  const cut = spans.filter((span) => span.attributes.some((a) => a.key === "key"));
  expect(cut.map((span) => span.attributes)).toEqual(
    new Array(4).fill([{ key: "key", value: "valu" }]),
  );
  expect(decoder.truncated.span).toBe(4);
});
