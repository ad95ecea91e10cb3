import { BodyFormat } from "../../ingest/ingest.ts";
import type { KafkaEncoding } from "./settings.ts";

/** How a record's value is laid out; it goes to the write-ahead log as it is. */
export const KAFKA_FORMATS: Readonly<Record<KafkaEncoding, BodyFormat>> = {
  // `TracesData` has the wire form of a request.
  otlp_proto: BodyFormat.otlpProtobuf,
  otlp_json: BodyFormat.otlpJson,
  jaeger_proto: BodyFormat.jaegerSpanProtobuf,
  jaeger_json: BodyFormat.jaegerSpanJson,
  zipkin_proto: BodyFormat.zipkinV2Protobuf,
  zipkin_json: BodyFormat.zipkinV2Json,
  zipkin_thrift: BodyFormat.zipkinV1Thrift,
};
