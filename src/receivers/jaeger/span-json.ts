import { jsonToProtobuf, jsonMessage as message } from "../shared/json-to-protobuf.ts";

const VALUE_TYPES = ["STRING", "BOOL", "INT64", "FLOAT64", "BINARY"];
const REF_TYPES = ["CHILD_OF", "FOLLOWS_FROM"];

const KEY_VALUE = message([
  { name: "key", number: 1, type: "string" },
  { name: "v_type", number: 2, type: "enum", names: VALUE_TYPES },
  { name: "v_str", number: 3, type: "string" },
  { name: "v_bool", number: 4, type: "bool" },
  { name: "v_int64", number: 5, type: "int64" },
  { name: "v_float64", number: 6, type: "double" },
  { name: "v_binary", number: 7, type: "bytes" },
]);
const LOG = message([
  { name: "timestamp", number: 1, type: "timestamp" },
  { name: "fields", number: 2, type: "messages", message: KEY_VALUE },
]);
const SPAN_REF = message([
  { name: "trace_id", number: 1, type: "bytes" },
  { name: "span_id", number: 2, type: "bytes" },
  { name: "ref_type", number: 3, type: "enum", names: REF_TYPES },
]);
const PROCESS = message([
  { name: "service_name", number: 1, type: "string" },
  { name: "tags", number: 2, type: "messages", message: KEY_VALUE },
]);
// `process_id` and `warnings` are not stored.
const SPAN = message([
  { name: "trace_id", number: 1, type: "bytes" },
  { name: "span_id", number: 2, type: "bytes" },
  { name: "operation_name", number: 3, type: "string" },
  { name: "references", number: 4, type: "messages", message: SPAN_REF },
  { name: "flags", number: 5, type: "uint32" },
  { name: "start_time", number: 6, type: "timestamp" },
  { name: "duration", number: 7, type: "duration" },
  { name: "tags", number: 8, type: "messages", message: KEY_VALUE },
  { name: "logs", number: 9, type: "messages", message: LOG },
  { name: "process", number: 10, type: "message", message: PROCESS },
]);

/**
 * Rewrites the JSON form of one `jaeger.api_v2.Span`, whose ids are base64, as its protobuf form.
 * Throws as `jsonToProtobuf` does.
 */
export function jaegerJsonToProtobuf(text: Uint8Array): Uint8Array<ArrayBuffer> {
  return jsonToProtobuf(text, SPAN);
}
