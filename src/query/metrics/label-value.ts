import type { SqlValue } from "../../drivers/duckdb/database.ts";
import { formatDuration } from "../../traceql/duration.ts";
import { printFloat } from "../../traceql/print.ts";
import { type AnyValueLike, kindWord, statusWord } from "../../traceql/sql/field.ts";
import type { LabelType } from "../../traceql/sql/metrics-columns.ts";
import type { MetricsLabel } from "./metrics-result.ts";

/** A grouped column's value as a label's; not for NULL. */
export function labelValue(type: LabelType, value: SqlValue): AnyValueLike {
  switch (type) {
    case "string":
      return { stringValue: String(value) };
    case "int":
      return { intValue: String(value) };
    case "double":
      // -0 is 0 to the database, so that which of them a group shows would depend on its first row.
      return { doubleValue: Number(value) + 0 };
    case "bool":
      return { boolValue: value === true };
    case "duration":
      return { stringValue: formatDuration(BigInt(value as bigint)) };
    case "status":
      return { stringValue: statusWord(Number(value)) };
    case "kind":
      return { stringValue: kindWord(Number(value)) };
    case "traceId":
      return { stringValue: String(value).replace(/^0+(?=.)/, "") };
    case "spanId":
      return { stringValue: (value as bigint).toString(16).padStart(16, "0") };
    default:
      return type satisfies never;
  }
}

/** Text of a value, for the order of series. */
export function labelText(value: AnyValueLike): string {
  if ("stringValue" in value) return value.stringValue;
  if ("intValue" in value) return value.intValue;
  if ("doubleValue" in value) return printFloat(value.doubleValue);
  if ("boolValue" in value) return String(value.boolValue);
  return value.arrayValue.values.map(labelText).join(",");
}

/** Equal for equal values of the same type only; no key is the beginning of another. */
export function labelKey(value: AnyValueLike | undefined): string {
  if (value === undefined) return "-";
  const text = labelText(value);
  return `${Object.keys(value)[0]}${text.length}:${text}`;
}

export const NIL_VALUE: AnyValueLike = { stringValue: "nil" };

export function stringLabel(key: string, value: string): MetricsLabel {
  return { key, value: { stringValue: value } };
}

/** Fewer labels first, then by their keys, then by their values' text. */
export function compareLabels(a: readonly MetricsLabel[], b: readonly MetricsLabel[]): number {
  if (a.length !== b.length) return a.length - b.length;
  for (let i = 0; i < a.length; i++) {
    const order = compareText(a[i]!.key, b[i]!.key);
    if (order !== 0) return order;
  }
  for (let i = 0; i < a.length; i++) {
    const order = compareText(labelText(a[i]!.value), labelText(b[i]!.value));
    if (order !== 0) return order;
  }
  return 0;
}

export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** A set of labels, whatever their order and without the function's name. */
export function labelSetKey(labels: readonly MetricsLabel[]): string {
  return labels
    .filter(({ key }) => key !== NAME_LABEL)
    .map(({ key, value }) => `${key.length}:${key}=${labelKey(value)}`)
    .sort()
    .join("");
}

export const NAME_LABEL = "__name__";
