import { BodyFormat } from "../src/ingest/ingest.ts";
import type { SpanBatch } from "../src/model/span-batch.ts";
import { newBatchDecoder } from "../src/threads/decoders.ts";
import { jaegerProtobuf, jaegerThrift } from "./jaeger-workload.ts";
import { zipkinJson, zipkinProtobuf } from "./zipkin-workload.ts";

/** A format other than OTLP that the same workload can come in. */
export type WireFormat = {
  /** Part of figure ids. */
  readonly id: string;
  readonly label: string;
  readonly format: BodyFormat;
  /** The form of an OTLP request: one body, or several. */
  readonly encode: (otlp: Uint8Array) => Uint8Array | readonly Uint8Array[];
};

export const WIRE_FORMATS: readonly WireFormat[] = [
  {
    id: "zipkin-json",
    label: "Zipkin v2 JSON",
    format: BodyFormat.zipkinV2Json,
    encode: zipkinJson,
  },
  {
    id: "zipkin-protobuf",
    label: "Zipkin protobuf",
    format: BodyFormat.zipkinV2Protobuf,
    encode: zipkinProtobuf,
  },
  {
    id: "jaeger-grpc",
    label: "Jaeger gRPC",
    format: BodyFormat.jaegerProtobuf,
    encode: jaegerProtobuf,
  },
  {
    id: "jaeger-thrift",
    label: "Jaeger Thrift binary",
    format: BodyFormat.jaegerThrift,
    encode: jaegerThrift,
  },
];

/** Decodes bodies of one format into a batch, as the server does, their size included. */
export function decodeInto(
  batch: SpanBatch,
  format: BodyFormat,
  bodies: readonly Uint8Array[],
): void {
  const decoder = newBatchDecoder(batch, { maxAttributeBytes: 2048 });
  for (const body of bodies) decoder.decode(format, body, () => {});
}
