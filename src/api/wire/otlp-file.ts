import type { Trace } from "../../query/trace.ts";
import { traceToOtlpJson } from "./otlp-json.ts";
import { traceToProtobuf } from "./trace-protobuf.ts";

/** How traces follow each other in a file: as the Collector's file exporter writes them. */
export type OtlpFileFormat = "otlp-json" | "otlp-proto";

const encoder = new TextEncoder();
const LENGTH_BYTES = 4;

/**
 * One message of such a file: a line of JSON, or protobuf behind its length as 32 bits, big endian.
 * Source: the Collector's `fileexporter`.
 */
export function otlpFileMessage(trace: Trace, format: OtlpFileFormat): Uint8Array<ArrayBuffer> {
  if (format === "otlp-json") return encoder.encode(`${traceToOtlpJson(trace)}\n`);
  const message = traceToProtobuf(trace, { resources: "stored" });
  const framed = new Uint8Array(LENGTH_BYTES + message.length);
  new DataView(framed.buffer).setUint32(0, message.length);
  framed.set(message, LENGTH_BYTES);
  return framed;
}
