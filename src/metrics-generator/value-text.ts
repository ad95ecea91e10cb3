import { type AttributeColumns, AttributeType } from "../model/attribute-columns.ts";
import type { StringTable } from "../model/string-table.ts";
import { doubleOf, int64Of } from "../util/number-words.ts";
import { plainDecimal } from "../util/plain-decimal.ts";

/** The value of an attribute as a label has it. Bytes and what is unset are ''. */
export function valueText(columns: AttributeColumns, entry: number, strings: StringTable): string {
  const lo = columns.values[2 * entry]!;
  const hi = columns.values[2 * entry + 1]!;
  switch (columns.types[entry]) {
    case AttributeType.string:
      return strings.text(lo);
    case AttributeType.bool:
      return lo === 0 ? "false" : "true";
    case AttributeType.int:
      return String(int64Of(lo, hi));
    case AttributeType.double:
      return plainDecimal(doubleOf(lo, hi));
    default:
      return jsonText(strings.text(lo));
  }
}

/** '' for what was cut to a length and is no JSON any more. */
function jsonText(json: string): string {
  let value: AnyValue;
  try {
    value = JSON.parse(json);
  } catch {
    return "";
  }
  return anyValueText(value);
}

type AnyValue = Readonly<Record<string, unknown>>;

/** Of an AnyValue as OTLP/JSON: items and members stand side by side without a mark between. */
function anyValueText(value: AnyValue): string {
  for (const [kind, content] of Object.entries(value)) {
    switch (kind) {
      case "stringValue":
      case "boolValue":
      case "intValue":
        return String(content);
      case "doubleValue":
        return plainDecimal(Number(content));
      case "arrayValue": {
        const { values = [] } = content as { values?: readonly AnyValue[] };
        return `[${values.map(anyValueText).join("")}]`;
      }
      case "kvlistValue": {
        const { values = [] } = content as {
          values?: readonly { key?: string; value?: AnyValue }[];
        };
        const members = values.map((one) => `${one.key ?? ""}:${anyValueText(one.value ?? {})}`);
        return `{${members.join("")}}`;
      }
      default:
        return "";
    }
  }
  return "";
}
