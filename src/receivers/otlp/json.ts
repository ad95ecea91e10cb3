import { jsonToProtobuf } from "../shared/json-to-protobuf.ts";
import { EXPORT_TRACE_SERVICE_REQUEST } from "./json-messages.ts";

/**
 * Rewrites an OTLP/JSON trace request as its protobuf form, so that JSON takes the same decoder
 * afterwards. Ids are hex. Throws as `jsonToProtobuf` does.
 */
export function otlpJsonToProtobuf(text: Uint8Array): Uint8Array<ArrayBuffer> {
  return jsonToProtobuf(text, EXPORT_TRACE_SERVICE_REQUEST);
}
