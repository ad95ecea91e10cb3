import type { Attribute, AttributeValue } from "../../query/trace.ts";
import { type AnyValueJson, parseAnyValue } from "./any-value.ts";

export type JaegerTagJson = {
  readonly key: string;
  readonly type: "string" | "bool" | "int64" | "float64" | "binary";
  /** Numbers that JSON cannot hold exactly are texts, bytes are base64. */
  readonly value: string | number | boolean;
};

export function jaegerTags(attributes: readonly Attribute[]): JaegerTagJson[] {
  return attributes.map(({ key, value }) => ({ key, ...typedValue(value) }));
}

export function textTag(key: string, value: string): JaegerTagJson {
  return { key, type: "string", value };
}

function typedValue(value: AttributeValue): Pick<JaegerTagJson, "type" | "value"> {
  switch (typeof value) {
    case "string":
      return { type: "string", value };
    case "boolean":
      return { type: "bool", value };
    case "bigint": {
      const number = Number(value);
      return { type: "int64", value: Number.isSafeInteger(number) ? number : String(value) };
    }
    case "number":
      return { type: "float64", value: Number.isFinite(value) ? value : String(value) };
    default: {
      const any = parseAnyValue(value.json);
      if (any.bytesValue !== undefined) return { type: "binary", value: any.bytesValue };
      return { type: "string", value: plainJson(any) };
    }
  }
}

/** Lists and maps as JSON of their plain values; int64 keep all their digits. */
function plainJson(value: AnyValueJson): string {
  if (value.stringValue !== undefined) return JSON.stringify(value.stringValue);
  if (value.boolValue !== undefined) return String(value.boolValue);
  if (value.intValue !== undefined) return value.intValue;
  if (value.doubleValue !== undefined) return JSON.stringify(value.doubleValue);
  if (value.bytesValue !== undefined) return JSON.stringify(value.bytesValue);
  if (value.arrayValue !== undefined) {
    return `[${(value.arrayValue.values ?? []).map(plainJson).join(",")}]`;
  }
  if (value.kvlistValue !== undefined) {
    const members = (value.kvlistValue.values ?? []).map(
      ({ key = "", value: member = {} }) => `${JSON.stringify(key)}:${plainJson(member)}`,
    );
    return `{${members.join(",")}}`;
  }
  return "null";
}
