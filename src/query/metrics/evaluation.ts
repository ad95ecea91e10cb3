import type { QueryRun } from "../query-context.ts";
import type { PointBudget } from "./collect-series.ts";
import type { FinishedSeries } from "./finish-series.ts";
import type { MetricsGrid } from "./grid.ts";
import type { MetricsProgress } from "./progress.ts";

/** What the queries of one request share. */
export type Evaluation = {
  readonly run: QueryRun;
  readonly tenants: readonly string[];
  readonly grid: MetricsGrid;
  /** 0 = none. */
  readonly exemplarLimit: number;
  /** Of whole traces, in one statement. */
  readonly maxTraceRows: number;
  readonly progress: MetricsProgress;
  readonly budget: PointBudget;
  /** Called between the steps of a query, when somebody wants to know. */
  readonly onStep: OnStep | undefined;
};

/**
 * `finish` makes the series of what was read so far; absent where they say nothing yet. Samples of
 * buckets from `firstFinal` on do not change any more.
 */
export type OnStep = (
  finish: (() => Promise<FinishedSeries>) | undefined,
  firstFinal: number,
) => Promise<void>;
