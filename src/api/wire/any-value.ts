import type { AttributeValue } from "../../query/trace.ts";

/** An AnyValue in OTLP/JSON: int64 as decimal string, bytes as base64, empty object = unset. */
export type AnyValueJson = {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly doubleValue?: number | string;
  readonly arrayValue?: { readonly values?: readonly AnyValueJson[] };
  readonly kvlistValue?: { readonly values?: readonly KeyValueJson[] };
  readonly bytesValue?: string;
};
export type KeyValueJson = { readonly key?: string; readonly value?: AnyValueJson };

export function anyValueToJson(value: AttributeValue): AnyValueJson {
  switch (typeof value) {
    case "string":
      return { stringValue: value };
    case "boolean":
      return { boolValue: value };
    case "bigint":
      return { intValue: value.toString() };
    case "number":
      return { doubleValue: Number.isFinite(value) ? value : String(value) };
    default:
      return parseAnyValue(value.json);
  }
}

/** The stored text was written by Pintail; what does not parse is shown as it is, not refused. */
export function parseAnyValue(json: string): AnyValueJson {
  try {
    const parsed: unknown = JSON.parse(json);
    if (typeof parsed === "object" && parsed !== null) return parsed as AnyValueJson;
  } catch {
    // Falls through.
  }
  return { stringValue: json };
}

export function doubleOfJson(value: number | string): number {
  return typeof value === "number" ? value : Number(value);
}

export function base64OfBytes(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export function bytesOfBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
