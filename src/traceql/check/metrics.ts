import { PintailError } from "../../errors.ts";
import type { MetricsStage, SecondStage } from "../ast.ts";
import { TraceQLError } from "../traceql-error.ts";
import { checkFieldRef, checkFilter } from "./field.ts";

const MAX_BY_FIELDS = 5;
/** These functions add a label of their own, or need a second value a series. */
const MAX_BY_FIELDS_OF_HISTOGRAMS = 4;

export function checkMetrics(stage: MetricsStage): void {
  switch (stage.type) {
    case "metrics": {
      if (stage.field !== undefined) checkFieldRef(stage.field);
      const wide = stage.fn !== "histogram_over_time" && stage.fn !== "avg_over_time";
      checkBy(stage.by, wide ? MAX_BY_FIELDS : MAX_BY_FIELDS_OF_HISTOGRAMS);
      return;
    }
    case "quantiles":
      checkFieldRef(stage.field);
      for (const quantile of stage.quantiles) {
        if (!(quantile >= 0 && quantile <= 1)) {
          throw new TraceQLError(`quantile must be between 0 and 1, it is ${quantile}`);
        }
      }
      checkBy(stage.by, MAX_BY_FIELDS_OF_HISTOGRAMS);
      return;
    case "compare":
      checkCompare(stage);
      return;
    default:
      stage satisfies never;
  }
}

function checkBy(by: Extract<MetricsStage, { type: "metrics" }>["by"], max: number): void {
  for (const field of by) checkFieldRef(field);
  if (by.length > max) {
    throw new PintailError(
      "unsupported",
      `metrics group by ${by.length} values not yet supported, the limit is ${max}`,
    );
  }
}

function checkCompare(stage: Extract<MetricsStage, { type: "compare" }>): void {
  checkFilter(stage.selection);
  if (stage.topN !== undefined && stage.topN < 1n) {
    throw new TraceQLError("compare() top number of values must be greater than 0");
  }
  if (stage.window === undefined) return;
  const { start, end } = stage.window;
  if (start <= 0n || end <= 0n) {
    throw new TraceQLError("compare() timestamps must be positive unix nanoseconds");
  }
  if (end <= start) {
    throw new TraceQLError("compare() end timestamp must be greater than the start timestamp");
  }
}

export function checkSecondStages(metrics: MetricsStage, second: readonly SecondStage[]): void {
  for (const stage of second) {
    if (metrics.type === "compare") {
      throw new TraceQLError("compare() cannot have a second stage");
    }
    if (stage.type !== "metrics-filter" && stage.limit < 1n) {
      throw new TraceQLError(`${stage.type}() limit must be greater than 0`);
    }
  }
}
