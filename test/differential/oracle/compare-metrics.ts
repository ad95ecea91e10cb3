import type { MetricsStage, Stage } from "../../../src/traceql/ast.ts";
import { fieldValue, listOf, resourceValue, storedValue } from "./field.ts";
import { filterMatches } from "./filter.ts";
import type { Observed, Series } from "./metrics.ts";
import { mentioned } from "./search.ts";
import { fieldText } from "./text.ts";
import type { OracleSpan } from "./trace.ts";
import { anyValue, groupKey, single, string, type Value } from "./value.ts";

const INTRINSICS = [
  "name",
  "status",
  "statusMessage",
  "kind",
  "span:childCount",
  "rootName",
  "rootServiceName",
  "instrumentation:name",
  "instrumentation:version",
] as const;

type Counted = { readonly value: Value; readonly points: number[] };

/** §5.7: for each group and attribute a series per value, and one of the spans that have it. */
export function compareSeries(
  metrics: MetricsStage & { type: "compare" },
  stages: readonly Stage[],
  observed: readonly Observed[],
  buckets: number,
): Series[] {
  const listed = mentioned([...stages, { type: "filter", expr: metrics.selection }]).filter(
    (field) => listOf(field) !== undefined,
  );
  const counts = { baseline: new Map<string, Map<string, Counted>>(), selection: new Map() };
  for (const { span, bucket } of observed) {
    const { window } = metrics;
    const inWindow =
      window === undefined ||
      (window.start < span.startUnixNano && span.startUnixNano <= window.end);
    const group = inWindow && filterMatches(metrics.selection, span) ? "selection" : "baseline";
    const values = attributesOf(span);
    for (const field of listed) values.push([fieldText(field), fieldValue(field, span, {})]);
    for (const [attribute, stored] of values) {
      const value = countedValue(stored);
      if (value === undefined) continue;
      const byValue: Map<string, Counted> = counts[group].get(attribute) ?? new Map();
      counts[group].set(attribute, byValue);
      const key = groupKey(value);
      const counted = byValue.get(key) ?? {
        value,
        points: Array.from({ length: buckets }, () => 0),
      };
      byValue.set(key, counted);
      counted.points[bucket]!++;
    }
  }
  const limit = Number(metrics.topN ?? 10n);
  return (["baseline", "selection"] as const).flatMap((group) =>
    [...(counts[group] as Map<string, Map<string, Counted>>)].flatMap(([attribute, byValue]) => {
      const all = [...byValue.values()];
      const total = Array.from({ length: buckets }, (_, b) => sum(all.map((c) => c.points[b]!)));
      const top = [...all].sort(byCount).slice(0, limit);
      return [
        ...top.map(({ value, points }) => series(group, attribute, value, points)),
        series(`${group}_total`, attribute, string("nil"), total),
      ];
    }),
  );
}

function series(group: string, attribute: string, value: Value, points: number[]): Series {
  return {
    labels: [
      ["__meta_type", string(group)],
      [attribute, value],
    ],
    points,
  };
}

function byCount(a: Counted, b: Counted): number {
  return sum(b.points) - sum(a.points) || (text(a.value) < text(b.value) ? -1 : 1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

function text(value: Value): string {
  return String(Object.values(anyValue(value))[0]);
}

/** Durations are never considered, arrays count as nil. */
function countedValue(stored: Value): Value | undefined {
  const value = single(stored);
  if (value.t === "nil" || value.t === "duration") return undefined;
  return value.t === "array" || value.t === "empty" ? string("nil") : value;
}

function attributesOf(span: OracleSpan): [string, Value][] {
  const scoped = (scope: "span" | "resource" | "instrumentation", keys: typeof span.attributes) =>
    keys.map(({ key, value }): [string, Value] => [
      fieldText({ type: "attribute", scope, key }),
      storedValue(value),
    ]);
  const values = [
    ...scoped("span", span.attributes),
    ...scoped(
      "resource",
      span.resource.attributes.filter(({ key }) => key !== "service.name"),
    ),
    ...scoped("instrumentation", span.scope.attributes),
  ];
  values.push(["resource.service.name", resourceValue("service.name", span)]);
  for (const name of INTRINSICS) {
    values.push([name, fieldValue({ type: "intrinsic", name }, span, {})]);
  }
  return values;
}
