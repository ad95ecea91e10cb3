import type { CompareOp, SecondStage } from "../../traceql/ast.ts";
import type { NumberStatic } from "../../traceql/metrics-query.ts";
import { compareLabels, compareText, labelText } from "./label-value.ts";
import type { MetricsLabel } from "./metrics-result.ts";

/** A series on its way through the stages. */
export type WorkingSeries = {
  readonly labels: readonly MetricsLabel[];
  /** NaN = no point. */
  readonly values: Float64Array;
  readonly exemplars: readonly WorkingExemplar[];
};

export type WorkingExemplar = {
  readonly traceId: string;
  readonly startUnixNano: bigint;
  readonly bucket: number;
  /** The span's own; absent where the series' point in the bucket stands for it. */
  readonly value: number | undefined;
  readonly labels: readonly MetricsLabel[];
};

/** Lets others have the thread between two pieces of work. */
export type ForEach = <T>(items: readonly T[], visit: (item: T) => void) => Promise<void>;

export async function applySecondStages(
  series: readonly WorkingSeries[],
  stages: readonly SecondStage[],
  forEach: ForEach,
): Promise<readonly WorkingSeries[]> {
  let current = series;
  for (const stage of stages) {
    current =
      stage.type === "metrics-filter"
        ? await comparison(current, stage.op, numberOf(stage.value as NumberStatic), forEach)
        : await extremes(current, stage.type, stage.limit, forEach);
  }
  return current;
}

/** Durations are seconds. */
export function numberOf(value: NumberStatic): number {
  return value.type === "duration" ? Number(value.value) / 1e9 : Number(value.value);
}

async function comparison(
  series: readonly WorkingSeries[],
  op: CompareOp,
  right: number,
  forEach: ForEach,
): Promise<WorkingSeries[]> {
  const kept: WorkingSeries[] = [];
  await forEach(series, (each) => {
    const values = each.values.map((value) => (holds(value, op, right) ? value : Number.NaN));
    const exemplars = each.exemplars.filter(
      ({ value }) => value !== undefined && holds(value, op, right),
    );
    if (hasPoint(values)) kept.push({ ...each, values, exemplars });
  });
  return kept;
}

function holds(left: number, op: CompareOp, right: number): boolean {
  // A missing point stays missing.
  if (Number.isNaN(left)) return false;
  switch (op) {
    case "=":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    default:
      return op satisfies never;
  }
}

export function hasPoint(values: Float64Array): boolean {
  return values.some((value) => !Number.isNaN(value));
}

async function extremes(
  series: readonly WorkingSeries[],
  type: "topk" | "bottomk",
  limit: bigint,
  forEach: ForEach,
): Promise<readonly WorkingSeries[]> {
  if (BigInt(series.length) <= limit) return series;
  const count = Number(limit);
  // Of equal values topk prefers the first by this order, bottomk the last.
  const inOrder = [...series].sort((a, b) => compareTies(a.labels, b.labels));
  if (type === "bottomk") inOrder.reverse();
  const sign = type === "topk" ? 1 : -1;
  const kept = inOrder.map(({ values }) => new Float64Array(values.length).fill(Number.NaN));
  const buckets = Array.from(inOrder[0]?.values ?? [], (_, bucket) => bucket);
  await forEach(buckets, (bucket) => {
    const present: number[] = [];
    inOrder.forEach(({ values }, i) => {
      if (!Number.isNaN(values[bucket]!)) present.push(i);
    });
    if (present.length > count) {
      const at = (i: number): number => sign * inOrder[i]!.values[bucket]!;
      // Stable, so that ties keep their order.
      present.sort((a, b) => {
        const [x, y] = [at(a), at(b)];
        return x === y ? 0 : x > y ? -1 : 1;
      });
    }
    for (const i of present.slice(0, count)) kept[i]![bucket] = inOrder[i]!.values[bucket]!;
  });
  return inOrder.flatMap(({ labels, exemplars }, i) => {
    const values = kept[i]!;
    if (!hasPoint(values)) return [];
    const left = exemplars.filter(({ bucket }) => !Number.isNaN(values[bucket]!));
    return [{ labels, values, exemplars: left }];
  });
}

/** By the labels' values: texts by the alphabet, of numbers the larger first. */
function compareTies(a: readonly MetricsLabel[], b: readonly MetricsLabel[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a[i]!.value, b[i]!.value];
    if ("intValue" in x && "intValue" in y) {
      const [left, right] = [BigInt(x.intValue), BigInt(y.intValue)];
      if (left !== right) return left > right ? -1 : 1;
      continue;
    }
    const order = compareText(labelText(x), labelText(y));
    if (order !== 0) return order;
  }
  return compareLabels(a, b);
}
