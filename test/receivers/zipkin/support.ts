import { BodyFormat } from "../../../src/ingest/ingest.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { ZipkinDecoder, type ZipkinFormat } from "../../../src/receivers/zipkin/decode.ts";
import { type PlainSpan, readBatch } from "../../support/read-batch.ts";
import { aZipkinSpan, json, v2Protobuf, type ZipkinSpan } from "../../support/zipkin-builder.ts";

export function decode(
  format: ZipkinFormat,
  body: Uint8Array,
  options: { maxAttributeBytes?: number; receivedUnixMs?: number } = {},
): PlainSpan[] {
  const batch = new SpanBatch(7);
  const decoder = new ZipkinDecoder(batch, { maxAttributeBytes: options.maxAttributeBytes ?? 0 });
  decoder.decode(format, body, undefined, options.receivedUnixMs);
  return readBatch(batch);
}

export type V2Encoding = {
  readonly name: string;
  readonly format: ZipkinFormat;
  readonly typed: ZipkinFormat;
  readonly encode: (spans: readonly ZipkinSpan[]) => Uint8Array<ArrayBuffer>;
};

export const V2_ENCODINGS: readonly V2Encoding[] = [
  {
    name: "JSON",
    format: BodyFormat.zipkinV2Json,
    typed: BodyFormat.zipkinV2JsonTyped,
    encode: json,
  },
  {
    name: "protobuf",
    format: BodyFormat.zipkinV2Protobuf,
    typed: BodyFormat.zipkinV2ProtobufTyped,
    encode: v2Protobuf,
  },
];

/** The one span that `over` makes. */
export function decodeV2({ format, encode }: V2Encoding, over: Partial<ZipkinSpan>): PlainSpan {
  const [span] = decode(format, encode([aZipkinSpan(over)]));
  if (span === undefined) throw new Error("no span was decoded");
  return span;
}

/** Attributes as an object; two with one key are an error. */
export function valuesOf(list: PlainSpan["attributes"]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { key, value } of list) {
    if (key in values) throw new Error(`attribute ${key} twice`);
    values[key] = value;
  }
  return values;
}
