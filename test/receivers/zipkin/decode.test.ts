import { describe, expect, test } from "vitest";
import { BodyFormat } from "../../../src/ingest/ingest.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { countZipkinSpans } from "../../../src/receivers/zipkin/count-spans.ts";
import { ZipkinDecoder } from "../../../src/receivers/zipkin/decode.ts";
import { MAX_ATTRIBUTES, MAX_EVENTS } from "../../../src/receivers/zipkin/limits.ts";
import { newBatchDecoder } from "../../../src/threads/decoders.ts";
import { aSpan as anOtlpSpan, aRequest, encodeRequest } from "../../support/otlp-builder.ts";
import { readBatch } from "../../support/read-batch.ts";
import { aZipkinSpan, json, v1Thrift, v2Protobuf } from "../../support/zipkin-builder.ts";
import { decode, V2_ENCODINGS, valuesOf } from "./support.ts";

const IDS = { traceId: "8448eb211c80319c", id: "b7ad6b7169203331" };
const link = "0af7651916cd43dd8448eb211c80319d|00f067aa0ba902b7||{}|0";
const rich = aZipkinSpan({
  traceId: "1".repeat(32),
  tags: { "host.name": "h", "otel.library.name": "lib", "otlp.link.0": link, x: "y" },
  annotations: [{ timestamp: 1, value: 'e|{"a":"b"}|1' }],
});

describe("a body that is refused leaves the batch as it was", () => {
  const before = [aZipkinSpan()];
  const bad = { ...aZipkinSpan(), id: "0000000000000000" };

  test.each(V2_ENCODINGS)("in $name", ({ format, encode }) => {
    const batch = new SpanBatch(7);
    const decoder = new ZipkinDecoder(batch, { maxAttributeBytes: 3 });
    decoder.decode(format, encode(before));
    const [rows, mark, truncated] = [readBatch(batch), batch.mark(), { ...decoder.truncated }];
    expect(() => decoder.decode(format, encode([rich, bad]))).toThrow();
    expect([readBatch(batch), batch.mark(), decoder.truncated]).toEqual([rows, mark, truncated]);
    // Rows that it would have shared are gone with it.
    decoder.decode(format, encode([rich]));
    const other = new SpanBatch(7);
    new ZipkinDecoder(other, { maxAttributeBytes: 3 }).decode(format, encode([rich]));
    expect(readBatch(batch)).toEqual([...rows, ...readBatch(other)]);
  });

  test("when it is not admitted", () => {
    const batch = new SpanBatch(7);
    const decoder = new ZipkinDecoder(batch, { maxAttributeBytes: 0 });
    const mark = batch.mark();
    const refuse = () => {
      throw new Error("rate");
    };
    expect(() => decoder.decode(BodyFormat.zipkinV2Json, json([rich]), refuse)).toThrow("rate");
    expect(batch.mark()).toEqual(mark);
  });
});

test("a body is admitted by its size as OTLP protobuf, whatever its own", () => {
  const sizes: number[] = [];
  for (const { format, encode } of V2_ENCODINGS) {
    const decoder = new ZipkinDecoder(new SpanBatch(7), { maxAttributeBytes: 0 });
    decoder.decode(format, encode([aZipkinSpan()]), (bytes) => sizes.push(bytes));
    decoder.decode(format, encode([]), (bytes) => sizes.push(bytes));
  }
  const otlp = encodeRequest(aRequest([anOtlpSpan({ name: "get /" })], { scope: "" }));
  expect(sizes).toEqual([otlp.length, 0, otlp.length, 0]);
});

test("the decoders of all receivers share a batch", () => {
  const batch = new SpanBatch(7);
  const decoder = newBatchDecoder(batch, { maxAttributeBytes: 2 });
  expect(decoder.truncated.span).toBe(0);
  decoder.decode(BodyFormat.otlpProtobuf, encodeRequest(aRequest([anOtlpSpan()])));
  expect(decoder.decode(BodyFormat.zipkinV2Json, json([rich, rich]))).toBe(2);
  decoder.decode(BodyFormat.zipkinV1Json, json([{ ...IDS }]), undefined, 1_800_000_000_000);
  expect(readBatch(batch).map((span) => span.resource.attributes[0]?.value)).toEqual([
    "sh",
    "sh",
    "sh",
    "un",
  ]);
  expect(() => decoder.decode(99, new Uint8Array(0))).toThrow("no decoder");
});

test.each(V2_ENCODINGS)(
  "keys and values are cut to a bound and counted ($name)",
  ({ format, encode }) => {
    const batch = new SpanBatch(7);
    const decoder = new ZipkinDecoder(batch, { maxAttributeBytes: 4 });
    const body = encode([
      aZipkinSpan({
        localEndpoint: { serviceName: "a long name" },
        remoteEndpoint: { serviceName: "ääää" },
        tags: {
          "long key": "long value",
          key: "four",
          error: "too long",
          "host.id": "long host",
          "otlp.link.0": link.replace("{}", '{"long key":"long value"}'),
        },
        annotations: [{ timestamp: 1, value: 'long name|{"k":"long value"}|0' }],
      }),
    ]);
    decoder.decode(format, body);
    const [span] = readBatch(batch);
    expect(valuesOf(span!.attributes)).toEqual({
      long: "long",
      key: "four",
      error: "too ",
      "peer.service": "ää",
    });
    expect(span!.resource.attributes.map((a) => a.value)).toEqual(["a lo", "long"]);
    expect(span!.events).toMatchObject([
      { name: "long name", attributes: [{ key: "k", value: "long" }] },
    ]);
    expect(span!.links[0]!.attributes).toEqual([{ key: "long", value: "long" }]);
    expect(decoder.truncated).toMatchObject({ scope: 0, event: 1, link: 2 });
    // Again, now that the resource has its row.
    const { resource } = decoder.truncated;
    decoder.decode(format, body);
    expect(decoder.truncated).toMatchObject({ resource, event: 2, link: 4 });
  },
);

describe("counts are bounded", () => {
  test("attributes", () => {
    const tags = (prefix: string, count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, ""]));
    const body = (count: number) => v2Protobuf([aZipkinSpan({ tags: tags("k", count) })]);
    const format = BodyFormat.zipkinV2Protobuf;
    expect(decode(format, body(MAX_ATTRIBUTES))[0]!.attributes.length).toBe(MAX_ATTRIBUTES);
    expect(() => decode(format, body(MAX_ATTRIBUTES + 1))).toThrow("more than 65535 attributes");
    const hostName = Uint8Array.of(0x5a, 11, 0x0a, 9, ...new TextEncoder().encode("host.name"));
    const many = new Uint8Array(hostName.length * (MAX_ATTRIBUTES + 1));
    for (let i = 0; i <= MAX_ATTRIBUTES; i++) many.set(hostName, i * hostName.length);
    const span = Uint8Array.from([0x0a, 0xff, 0xff, 0xff, 0x07]);
    expect(many.length).toBeLessThan(0xfffff0);
    const length = many.length;
    span.set(
      [
        (length & 0x7f) | 0x80,
        ((length >> 7) & 0x7f) | 0x80,
        ((length >> 14) & 0x7f) | 0x80,
        length >> 21,
      ],
      1,
    );
    expect(() => decode(format, Uint8Array.from([...span, ...many]))).toThrow("attributes");
    const packed = JSON.stringify(tags("k", MAX_ATTRIBUTES + 1));
    const annotations = [{ timestamp: 1, value: `e|${packed}|0` }];
    expect(() => decode(format, v2Protobuf([aZipkinSpan({ annotations })]))).toThrow("attributes");
    const binaryAnnotations = Array.from({ length: MAX_ATTRIBUTES + 1 }, () => ({
      key: "k",
      value: "",
    }));
    expect(() => decode(BodyFormat.zipkinV1Json, json([{ ...IDS, binaryAnnotations }]))).toThrow(
      "attributes",
    );
  });

  test("annotations", () => {
    const annotations = Array.from({ length: MAX_EVENTS + 1 }, () => ({
      timestamp: 1,
      value: "x",
    }));
    const few = annotations.slice(1);
    for (const { format, encode } of V2_ENCODINGS) {
      expect(decode(format, encode([aZipkinSpan({ annotations: few })]))[0]!.events.length).toBe(
        MAX_EVENTS,
      );
      expect(() => decode(format, encode([aZipkinSpan({ annotations })]))).toThrow("annotations");
    }
    expect(() => decode(BodyFormat.zipkinV1Json, json([{ ...IDS, annotations }]))).toThrow(
      "annotations",
    );
    expect(() => decode(BodyFormat.zipkinV1Thrift, v1Thrift([{ ...IDS, annotations }]))).toThrow(
      "annotations",
    );
  });
});

test("spans of a refused body are counted up to the first bad byte", () => {
  const spans = [aZipkinSpan(), rich, aZipkinSpan()];
  const count = (format: Parameters<typeof countZipkinSpans>[0], body: Uint8Array) => [
    countZipkinSpans(format, body),
    countZipkinSpans(format, body.subarray(0, body.length - 3)),
  ];
  expect(count(BodyFormat.zipkinV2Json, json(spans))).toEqual([3, 2]);
  expect(count(BodyFormat.zipkinV1JsonTyped, json(spans))).toEqual([3, 2]);
  expect(count(BodyFormat.zipkinV2Protobuf, v2Protobuf(spans))).toEqual([3, 2]);
  expect(count(BodyFormat.zipkinV1Thrift, v1Thrift([IDS, IDS, IDS]))).toEqual([3, 2]);
  expect(count(BodyFormat.zipkinV2Json, json(null))).toEqual([0, 0]);
  expect(countZipkinSpans(BodyFormat.zipkinV1Thrift, Uint8Array.of(12, 127, 255, 255, 255))).toBe(
    0,
  );
});
