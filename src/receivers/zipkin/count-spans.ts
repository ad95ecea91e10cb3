import { BodyFormat } from "../../ingest/ingest.ts";
import { DecodeError } from "../../model/decode-error.ts";
import { ThriftBinaryReader } from "../../util/thrift-binary.ts";
import { ThriftError, ThriftType } from "../../util/thrift-reader.ts";
import { WireError, WireReader } from "../../util/wire-reader.ts";
import { JsonReader } from "../shared/json-reader.ts";
import type { ZipkinFormat } from "./decode.ts";

/**
 * Number of spans in a body that was refused, for the metrics. What comes after the first malformed
 * byte is not counted.
 */
export function countZipkinSpans(format: ZipkinFormat, body: Uint8Array): number {
  const count = { spans: 0 };
  try {
    switch (format) {
      case BodyFormat.zipkinV2Protobuf:
      case BodyFormat.zipkinV2ProtobufTyped:
        countProtobuf(body, count);
        break;
      case BodyFormat.zipkinV1Thrift:
        countThrift(body, count);
        break;
      default:
        countJson(body, count);
    }
  } catch (e) {
    if (!(e instanceof WireError || e instanceof ThriftError || e instanceof DecodeError)) throw e;
  }
  return count.spans;
}

function countProtobuf(body: Uint8Array, count: { spans: number }): void {
  const reader = new WireReader();
  reader.reset(body);
  while (reader.pos < body.length) {
    const tag = reader.tag(body.length);
    reader.skip(tag, 0, body.length);
    if (tag === 0x0a) count.spans++;
  }
}

function countThrift(body: Uint8Array, count: { spans: number }): void {
  const reader = new ThriftBinaryReader();
  reader.reset(body);
  const spans = reader.listOf(ThriftType.struct);
  for (let i = 0; i < spans; i++) {
    reader.skip(ThriftType.struct);
    count.spans++;
  }
}

function countJson(body: Uint8Array, count: { spans: number }): void {
  const reader = new JsonReader(body);
  if (reader.takeNull()) return;
  reader.beginArray();
  for (let first = true; reader.nextElement(first); first = false) {
    reader.skip();
    count.spans++;
  }
}
