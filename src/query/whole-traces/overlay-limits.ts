/** Bounds on one query's traces that lie in several segments; beyond them it is refused. */
export type OverlayLimits = {
  readonly maxTraces: number;
  readonly maxRows: number;
};

/** Two million rows take some 100 MB in the database while the query runs. */
export const OVERLAY_LIMITS: OverlayLimits = { maxTraces: 500_000, maxRows: 2_000_000 };
