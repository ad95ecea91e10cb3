import { SPAN_KIND_NAMES, STATUS_CODE_NAMES } from "../../model/enum-names.ts";
import {
  type JsonField,
  type JsonMessage,
  jsonMessage as message,
} from "../shared/json-to-protobuf.ts";

const ANY_VALUE: JsonMessage = new Map();
const KEY_VALUE = message([
  { name: "key", number: 1, type: "string" },
  { name: "value", number: 2, type: "message", message: ANY_VALUE },
]);
const ARRAY_VALUE = message([
  { name: "values", number: 1, type: "messages", message: ANY_VALUE, nullIsEmpty: true },
]);
const KEY_VALUE_LIST = message([
  { name: "values", number: 1, type: "messages", message: KEY_VALUE },
]);
// AnyValue contains itself, so its fields come last.
for (const [name, field] of message([
  { name: "string_value", number: 1, type: "string" },
  { name: "bool_value", number: 2, type: "bool" },
  { name: "int_value", number: 3, type: "int64" },
  { name: "double_value", number: 4, type: "double" },
  { name: "array_value", number: 5, type: "message", message: ARRAY_VALUE },
  { name: "kvlist_value", number: 6, type: "message", message: KEY_VALUE_LIST },
  { name: "bytes_value", number: 7, type: "bytes" },
])) {
  ANY_VALUE.set(name, field);
}

const SCOPE = message([
  { name: "name", number: 1, type: "string" },
  { name: "version", number: 2, type: "string" },
  { name: "attributes", number: 3, type: "messages", message: KEY_VALUE },
  { name: "dropped_attributes_count", number: 4, type: "uint32" },
]);
const RESOURCE = message([
  { name: "attributes", number: 1, type: "messages", message: KEY_VALUE },
  { name: "dropped_attributes_count", number: 2, type: "uint32" },
]);
const EVENT = message([
  { name: "time_unix_nano", number: 1, type: "fixed64" },
  { name: "name", number: 2, type: "string" },
  { name: "attributes", number: 3, type: "messages", message: KEY_VALUE },
  { name: "dropped_attributes_count", number: 4, type: "uint32" },
]);
const STATUS = message([
  { name: "message", number: 2, type: "string" },
  { name: "code", number: 3, type: "enum", names: STATUS_CODE_NAMES },
]);

/**
 * Ids are hex, as OTLP has it. `ofFiles` also takes what Tempo's answers have or had: ids in base64, as
 * protobuf's own JSON has them, and scopes by their former name.
 */
function resourceSpansMessage(ofFiles: boolean): JsonMessage {
  const orBase64 = ofFiles;
  const link = message([
    { name: "trace_id", number: 1, type: "id", bytes: 16, orBase64 },
    { name: "span_id", number: 2, type: "id", bytes: 8, orBase64 },
    { name: "trace_state", number: 3, type: "string" },
    { name: "attributes", number: 4, type: "messages", message: KEY_VALUE },
    { name: "dropped_attributes_count", number: 5, type: "uint32" },
    { name: "flags", number: 6, type: "fixed32" },
  ]);
  const span = message([
    { name: "trace_id", number: 1, type: "id", bytes: 16, orBase64 },
    { name: "span_id", number: 2, type: "id", bytes: 8, orBase64 },
    { name: "trace_state", number: 3, type: "string" },
    { name: "parent_span_id", number: 4, type: "id", bytes: 8, orBase64 },
    { name: "name", number: 5, type: "string" },
    { name: "kind", number: 6, type: "enum", names: SPAN_KIND_NAMES },
    { name: "start_time_unix_nano", number: 7, type: "fixed64" },
    { name: "end_time_unix_nano", number: 8, type: "fixed64" },
    { name: "attributes", number: 9, type: "messages", message: KEY_VALUE },
    { name: "dropped_attributes_count", number: 10, type: "uint32" },
    { name: "events", number: 11, type: "messages", message: EVENT },
    { name: "dropped_events_count", number: 12, type: "uint32" },
    { name: "links", number: 13, type: "messages", message: link },
    { name: "dropped_links_count", number: 14, type: "uint32" },
    { name: "status", number: 15, type: "message", message: STATUS },
    { name: "flags", number: 16, type: "fixed32" },
  ]);
  const formerScope: JsonField = {
    name: "instrumentation_library",
    number: 1,
    type: "message",
    message: SCOPE,
  };
  const scopeSpans = message([
    { name: "scope", number: 1, type: "message", message: SCOPE },
    ...(ofFiles ? [formerScope] : []),
    { name: "spans", number: 2, type: "messages", message: span },
    { name: "schema_url", number: 3, type: "string" },
  ]);
  const formerScopeSpans: JsonField = {
    name: "instrumentation_library_spans",
    number: 2,
    type: "messages",
    message: scopeSpans,
  };
  return message([
    { name: "resource", number: 1, type: "message", message: RESOURCE },
    { name: "scope_spans", number: 2, type: "messages", message: scopeSpans },
    ...(ofFiles ? [formerScopeSpans] : []),
    { name: "schema_url", number: 3, type: "string" },
  ]);
}

export const EXPORT_TRACE_SERVICE_REQUEST = message([
  { name: "resource_spans", number: 1, type: "messages", message: resourceSpansMessage(false) },
]);

/** As files hold it: of OTLP, and of Tempo's answers, which have ids in base64. */
export const RESOURCE_SPANS_OF_FILES = resourceSpansMessage(true);
