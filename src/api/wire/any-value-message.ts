import { create } from "@bufbuild/protobuf";
import {
  type AnyValue,
  AnyValueSchema,
  KeyValueSchema,
} from "../../../gen/opentelemetry/proto/common/v1/common_pb.ts";
import { type AnyValueJson, bytesOfBase64, doubleOfJson } from "./any-value.ts";

export function anyValueToMessage(json: AnyValueJson): AnyValue {
  return create(AnyValueSchema, { value: oneofOf(json) });
}

function oneofOf(json: AnyValueJson): AnyValue["value"] {
  if (json.stringValue !== undefined) return { case: "stringValue", value: json.stringValue };
  if (json.boolValue !== undefined) return { case: "boolValue", value: json.boolValue };
  if (json.intValue !== undefined) return { case: "intValue", value: BigInt(json.intValue) };
  if (json.doubleValue !== undefined)
    return { case: "doubleValue", value: doubleOfJson(json.doubleValue) };
  if (json.bytesValue !== undefined)
    return { case: "bytesValue", value: bytesOfBase64(json.bytesValue) };
  if (json.arrayValue !== undefined) {
    const values = (json.arrayValue.values ?? []).map(anyValueToMessage);
    return { case: "arrayValue", value: { $typeName: ARRAY, values } };
  }
  if (json.kvlistValue !== undefined) {
    const values = (json.kvlistValue.values ?? []).map(({ key, value }) =>
      create(KeyValueSchema, { key: key ?? "", value: anyValueToMessage(value ?? {}) }),
    );
    return { case: "kvlistValue", value: { $typeName: KVLIST, values } };
  }
  return { case: undefined };
}

const ARRAY = "opentelemetry.proto.common.v1.ArrayValue";
const KVLIST = "opentelemetry.proto.common.v1.KeyValueList";
