/** Header or metadata key whose presence, whatever its value, keeps spans out of derived metrics. */
export const SKIP_METRICS_HEADER = "no-generate-metrics";
