import { compileMetrics } from "../../../src/query/metrics/compile-metrics.ts";
import type { MetricsGrid } from "../../../src/query/metrics/grid.ts";
import type { MetricsResult, OnPartial } from "../../../src/query/metrics/metrics-result.ts";
import { queryInstant, queryRange } from "../../../src/query/metrics/query-metrics.ts";
import { seriesText } from "../../differential/answer-text.ts";
import type { SegmentStore } from "../segment-store.ts";

export type RunMetrics = {
  readonly exemplars?: number;
  readonly maxSeries?: number;
  readonly onPartial?: OnPartial;
  readonly tenants?: readonly string[];
  readonly maxTraceRows?: number;
};

/** The engine's answer; a grid of one bucket is an instant query. */
export async function runMetrics(
  store: SegmentStore,
  text: string,
  grid: MetricsGrid,
  options: RunMetrics = {},
): Promise<MetricsResult> {
  const instant = grid.count === 1;
  const request = {
    tenants: options.tenants ?? ["single-tenant"],
    query: compileMetrics(text, { maxQueryBytes: 131_072, instant }),
    grid,
    exemplarLimit: options.exemplars ?? 0,
    maxSeries: options.maxSeries ?? 0,
    onPartial: options.onPartial,
    maxTraceRows: options.maxTraceRows,
  };
  const engine = store.engine();
  return instant ? await queryInstant(engine, request) : await queryRange(engine, request);
}

/** `kind="client" p=0.5: 0 1.5 -`, one line a series, in the order of the answer. */
export function linesOf({ series }: Pick<MetricsResult, "series">): string[] {
  return series.map(({ labels, values }) =>
    seriesText({
      labels,
      points: Array.from(values, (value) => (Number.isNaN(value) ? undefined : value)),
    }),
  );
}
