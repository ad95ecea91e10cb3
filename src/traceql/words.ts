import type {
  AttributeScope,
  IntrinsicName,
  KindWord,
  MetricsFn,
  Static,
  StatusWord,
} from "./ast.ts";

/** Names that user data may also contain (`constructor`) are looked up in these, so: maps. */

export const BARE_INTRINSICS: ReadonlyMap<string, IntrinsicName> = new Map<string, IntrinsicName>(
  (
    [
      "duration",
      "name",
      "status",
      "statusMessage",
      "kind",
      "parent",
      "rootName",
      "rootServiceName",
      "traceDuration",
      "nestedSetLeft",
      "nestedSetRight",
      "nestedSetParent",
    ] as const
  ).map((name) => [name, name]),
);

export const SCOPED_INTRINSICS: ReadonlyMap<string, IntrinsicName> = new Map<string, IntrinsicName>(
  [
    ["span:name", "name"],
    ["span:duration", "duration"],
    ["span:status", "status"],
    ["span:statusMessage", "statusMessage"],
    ["span:kind", "kind"],
    ["span:id", "span:id"],
    ["span:parentID", "span:parentID"],
    ["span:childCount", "span:childCount"],
    ["trace:duration", "traceDuration"],
    ["trace:rootName", "rootName"],
    ["trace:rootService", "rootServiceName"],
    ["trace:id", "trace:id"],
    ["event:name", "event:name"],
    ["event:timeSinceStart", "event:timeSinceStart"],
    ["link:traceID", "link:traceID"],
    ["link:spanID", "link:spanID"],
    ["instrumentation:name", "instrumentation:name"],
    ["instrumentation:version", "instrumentation:version"],
  ],
);

/** Words that may stand before the colon of a scoped intrinsic. */
export const INTRINSIC_SCOPES: ReadonlySet<string> = new Set([
  "span",
  "trace",
  "event",
  "link",
  "instrumentation",
]);

export const ATTRIBUTE_SCOPES: ReadonlyMap<string, AttributeScope> = new Map<
  string,
  AttributeScope
>([
  ["span", "span"],
  ["resource", "resource"],
  ["event", "event"],
  ["link", "link"],
  ["instrumentation", "instrumentation"],
]);

export const STATUS_CODES: Readonly<Record<StatusWord, number>> = { unset: 0, ok: 1, error: 2 };
export const KIND_CODES: Readonly<Record<KindWord, number>> = {
  unspecified: 0,
  internal: 1,
  server: 2,
  client: 3,
  producer: 4,
  consumer: 5,
};

export const INT64_MIN = -(2n ** 63n);
export const INT64_MAX = 2n ** 63n - 1n;

export const STATIC_WORDS: ReadonlyMap<string, Static> = new Map<string, Static>([
  ["true", { type: "bool", value: true }],
  ["false", { type: "bool", value: false }],
  ...(Object.keys(STATUS_CODES) as StatusWord[]).map((value): [string, Static] => [
    value,
    { type: "status", value },
  ]),
  ...(Object.keys(KIND_CODES) as KindWord[]).map((value): [string, Static] => [
    value,
    { type: "kind", value },
  ]),
  ["minInt", { type: "int", value: INT64_MIN }],
  ["maxInt", { type: "int", value: INT64_MAX }],
]);

export const METRICS_WITHOUT_FIELD: ReadonlyMap<string, MetricsFn> = new Map<string, MetricsFn>([
  ["rate", "rate"],
  ["count_over_time", "count_over_time"],
]);
export const METRICS_OF_FIELD: ReadonlyMap<string, MetricsFn> = new Map<string, MetricsFn>([
  ["min_over_time", "min_over_time"],
  ["max_over_time", "max_over_time"],
  ["sum_over_time", "sum_over_time"],
  ["avg_over_time", "avg_over_time"],
  ["histogram_over_time", "histogram_over_time"],
]);

export const AGGREGATE_WORDS: ReadonlySet<string> = new Set(["count", "avg", "min", "max", "sum"]);

/** Words with a meaning of their own; none of them can be the name of a hint. */
export const RESERVED_WORDS: ReadonlySet<string> = new Set([
  "true",
  "false",
  "nil",
  ...Object.keys(STATUS_CODES),
  ...Object.keys(KIND_CODES),
  ...BARE_INTRINSICS.keys(),
  "childCount",
  "id",
  "traceID",
  "spanID",
  "parentID",
  "timeSinceStart",
  "version",
  "rootService",
  ...AGGREGATE_WORDS,
  "by",
  "coalesce",
  "select",
  ...METRICS_WITHOUT_FIELD.keys(),
  ...METRICS_OF_FIELD.keys(),
  "quantile_over_time",
  "compare",
  "topk",
  "bottomk",
  "with",
]);
