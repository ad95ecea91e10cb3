export type QueryLimits = {
  readonly defaultSearchLimit: number;
  /** 0 = off. */
  readonly maxSearchLimit: number;
  readonly defaultSpansPerSpanSet: number;
  /** 0 = unlimited. */
  readonly maxSpansPerSpanSet: number;
  /** Longest `end - start` of a search or tags query; 0 = off. */
  readonly maxSearchDurationMs: number;
  /** Longest grid of a metrics query; 0 = off. */
  readonly maxMetricsDurationMs: number;
  /** Traces beyond this give 422 (v1) or a partial answer (v2); 0 = off. */
  readonly maxBytesPerTrace: number;
  /** Bytes of names or values in one tags answer; the rest is cut. 0 = off. */
  readonly maxBytesPerTagValuesQuery: number;
  readonly maxConditionGroupsPerTagQuery: number;
  readonly leftPadTraceIds: boolean;
};

export type QuerySettings = {
  readonly searchTimeoutMs: number;
  readonly traceByIdTimeoutMs: number;
  /** Whole request, 0 = off; beyond it 503. */
  readonly apiTimeoutMs: number;
  readonly maxConcurrentQueries: number;
  /** Queries waiting for a place, per tenant; beyond it 429. */
  readonly maxOutstandingPerTenant: number;
  readonly maxQueryBytes: number;
  /** `end` of a search is clamped to now minus this. */
  readonly queryEndCutoffMs: number;
  /** Exemplars of one metrics query; 0 = none. */
  readonly maxMetricsExemplars: number;
  /** Steps of one metrics query; 0 = as many as can be held. */
  readonly maxMetricsIntervals: number;
  /** Series of one metrics answer, the rest is cut; 0 = as many as can be held. */
  readonly maxMetricsSeries: number;
  readonly multiTenantQueriesEnabled: boolean;
  readonly urlDenyList: readonly string[];
  /** DuckDB's memory limit for queries. */
  readonly memoryLimitBytes: number;
  readonly tempDir: string;
};
