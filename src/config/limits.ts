import type { TenantGeneratorSettings } from "../metrics-generator/settings.ts";
import type { ConfigValues } from "./config-values.ts";
import type { TenantLimits } from "./settings.ts";

/** What limits fall back to that the overrides do not say: the values of the global blocks. */
export type GlobalLimits = {
  readonly maxAttributeBytes: number;
  readonly maxSearchDurationMs: number;
  readonly maxMetricsDurationMs: number;
  readonly defaultSearchLimit: number;
  readonly maxSearchLimit: number;
  readonly defaultSpansPerSpanSet: number;
  readonly maxSpansPerSpanSet: number;
};

/** The limits that `overrides.defaults` give; unset keys have the table's defaults. */
export function defaultLimits(
  overrides: ConfigValues,
  globals: GlobalLimits,
  generator: TenantGeneratorSettings | undefined,
): TenantLimits {
  return limitsOf(globals, {
    generator,
    number: (path) => overrides.number(path),
    bool: (path) => overrides.bool(path),
    durationMs: (path) => overrides.durationMs(path),
    maxConditionGroups: overrides.number("read.max_condition_groups_per_tag_query"),
  });
}

/**
 * The limits of a tenant's own entry. It replaces the defaults as a whole, so an unset key is zero,
 * as in Tempo. The exceptions are the rate and the burst, where zero would refuse all data, and the
 * condition groups, which Tempo too reads from the defaults only.
 */
export function ownLimits(
  entry: ConfigValues,
  globals: GlobalLimits,
  defaults: TenantLimits,
  generator: TenantGeneratorSettings | undefined,
): TenantLimits {
  const fallbacks: Readonly<Record<string, number>> = {
    [RATE]: defaults.ingest.rateLimitBytes,
    [BURST]: defaults.ingest.burstSizeBytes,
  };
  return limitsOf(globals, {
    generator,
    number: (path) => (entry.isSet(path) ? entry.number(path) : (fallbacks[path] ?? 0)),
    bool: (path) => entry.isSet(path) && entry.bool(path),
    durationMs: (path) => (entry.isSet(path) ? entry.durationMs(path) : 0),
    maxConditionGroups: defaults.query.maxConditionGroupsPerTagQuery,
  });
}

/** The keys whose absence in a tenant's entry is filled from the defaults and worth a warning. */
export const RATE = "ingestion.rate_limit_bytes";
export const BURST = "ingestion.burst_size_bytes";

type Reader = {
  readonly generator: TenantGeneratorSettings | undefined;
  readonly number: (path: string) => number;
  readonly bool: (path: string) => boolean;
  readonly durationMs: (path: string) => number;
  readonly maxConditionGroups: number;
};

function limitsOf(globals: GlobalLimits, read: Reader): TenantLimits {
  return {
    ingest: {
      rateLimitBytes: read.number(RATE),
      burstSizeBytes: read.number(BURST),
      maxAttributeBytes: read.number("ingestion.max_attribute_bytes") || globals.maxAttributeBytes,
      retryInfoEnabled: read.bool("ingestion.retry_info_enabled"),
    },
    query: {
      defaultSearchLimit: globals.defaultSearchLimit,
      maxSearchLimit: globals.maxSearchLimit,
      defaultSpansPerSpanSet: globals.defaultSpansPerSpanSet,
      maxSpansPerSpanSet: globals.maxSpansPerSpanSet,
      maxSearchDurationMs:
        read.durationMs("read.max_search_duration") || globals.maxSearchDurationMs,
      maxMetricsDurationMs:
        read.durationMs("read.max_metrics_duration") || globals.maxMetricsDurationMs,
      maxBytesPerTrace: read.number("global.max_bytes_per_trace"),
      maxBytesPerTagValuesQuery: read.number("read.max_bytes_per_tag_values_query"),
      maxConditionGroupsPerTagQuery: read.maxConditionGroups,
      leftPadTraceIds: read.bool("read.left_pad_trace_ids"),
    },
    retentionMs: read.durationMs("compaction.block_retention"),
    compactionDisabled: read.bool("compaction.compaction_disabled"),
    generator: read.generator,
  };
}
