import type { AnyValueLike } from "../../src/traceql/sql/field.ts";

/** `"text"`, `5`, `1.5`, `2.0`, `true`, `[…]`. */
export function valueText(value: AnyValueLike): string {
  if ("stringValue" in value) return JSON.stringify(value.stringValue);
  if ("intValue" in value) return value.intValue;
  if ("boolValue" in value) return String(value.boolValue);
  if ("doubleValue" in value) {
    // As far as the order of additions does not tell.
    const text = String(Number(value.doubleValue.toPrecision(12)) + 0);
    return /^-?\d+$/.test(text) ? `${text}.0` : text;
  }
  const values = value.arrayValue.values.map(valueText);
  // A one-element array counts as its element.
  return values.length === 1 ? values[0]! : `[${values.join(", ")}]`;
}

/** Of an int and an equal float either may be the largest, so their type does not tell. */
export function attributeText(name: string, value: AnyValueLike): string {
  const text = valueText(value);
  return `${name}=${/^(min|max)\(/.test(name) ? text.replace(/^(-?\d+)\.0$/, "$1") : text}`;
}

/** `S3 S4 [by(kind)="client", count()=2]`. */
export function spansetText(spanset: {
  readonly spans: readonly string[];
  readonly attributes: readonly string[];
}): string {
  const names = spanset.spans.join(" ");
  return spanset.attributes.length === 0 ? names : `${names} [${spanset.attributes.join(", ")}]`;
}

export type SeriesToShow = {
  readonly labels: readonly { readonly key: string; readonly value: AnyValueLike }[];
  readonly points: readonly (number | undefined)[];
};

/** `kind="client" p=0.5: 0 1.5 -`, numbers as far as rounding does not tell. */
export function seriesText({ labels, points }: SeriesToShow): string {
  const shown = labels.map(({ key, value }) => attributeText(key, value)).join(" ");
  return `${shown}: ${points.map(pointText).join(" ")}`;
}

export function pointText(point: number | undefined): string {
  return point === undefined ? "-" : String(Number(point.toPrecision(9)) + 0);
}

/** Parts of an answer come in no defined order. */
export function sortedLines(lines: readonly string[]): string[] {
  return [...lines].sort();
}
