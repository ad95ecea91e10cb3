import { NEEDLE, SPREAD_SECONDS, START_UNIX_NANO } from "./dataset.ts";

const START_SECONDS = Number(START_UNIX_NANO / 1_000_000_000n);
/** Whole seconds that hold all spans. */
export const WHOLE = { start: START_SECONDS, end: START_SECONDS + SPREAD_SECONDS + 60 };
const MIDDLE = START_SECONDS + SPREAD_SECONDS / 2;
const TEN_MINUTES = { start: MIDDLE, end: MIDDLE + 600 };

export type Range = { readonly start: number; readonly end: number };

/** A search for the newest traces. */
export type SearchCase = {
  readonly id: string;
  readonly label: string;
  readonly query: string;
  /** Conditions over the columns of a row; a trace is found when each holds for one of its rows. */
  readonly where: readonly string[];
  /** Further conditions on the trace, over aggregates of its rows. */
  readonly having?: readonly string[];
  readonly range: Range | undefined;
};

export const SEARCH_LIMIT = 20;

export const SEARCHES: readonly SearchCase[] = [
  search("service", '{ resource.service.name = "payment" }', ["service_name = 'payment'"]),
  search("error", "{ status = error }", ["status = 2"]),
  search("duration", "{ duration > 100ms }", ["duration_ns > 100000000"]),
  search("duration-rare", "{ duration > 399ms }", ["duration_ns > 399000000"]),
  search("http-status", "{ span.http.response.status_code >= 500 }", [
    `"span.http.response.status_code" >= 500`,
  ]),
  search("all", "{ }", ["true"]),
  search("name-regex", '{ name =~ "POST .*users.*" }', [
    "regexp_full_match(name, 'POST .*users.*')",
  ]),
  search("needle", `{ span.${NEEDLE.key} = "${NEEDLE.value}" }`, [user(NEEDLE.value)]),
  search("needle-unscoped", `{ .${NEEDLE.key} = "${NEEDLE.value}" }`, [user(NEEDLE.value)]),
  search("needle-absent", `{ span.${NEEDLE.key} = "${NEEDLE.absent}" }`, [user(NEEDLE.absent)]),
  search("needle-60", `{ span.${NEEDLE.key} = "u-4242" }`, [user("u-4242")]),
  search("same-span", '{ resource.service.name = "payment" && status = error }', [
    "service_name = 'payment' AND status = 2",
  ]),
  search("and", '{ resource.service.name = "frontend" } && { status = error }', [
    "service_name = 'frontend'",
    "status = 2",
  ]),
  search("and-all", "{ } && { }", ["true"]),
  search("range-10m", "{ status = error }", ["status = 2"], { range: TEN_MINUTES }),
  search("range-10m-needle", `{ span.${NEEDLE.key} = "u-4242" }`, [user("u-4242")], {
    range: TEN_MINUTES,
  }),
  search("no-range", "{ status = error }", ["status = 2"], { range: undefined }),
  search("child", "{ } > { }", ["nested_parent > 0"]),
  // Of all errors those that have an ancestor: every span of this workload but the root has one.
  search("descendant", "{ } >> { status = error }", ["status = 2 AND nested_parent > 0"]),
  search("not-descendant", "{ nestedSetParent < 0 } !>> { status = error }", [
    "status = 2 AND nested_parent = -1",
  ]),
  search("count", '{ resource.service.name = "payment" } | count() > 3', [], {
    having: ["count(*) FILTER (service_name = 'payment') > 3"],
  }),
  search("avg", "{ } | avg(duration) > 100ms", [], {
    having: ["sum(duration_ns) // count(*) > 100000000"],
  }),
  search("by", "{ status = error } | by(resource.service.name) | count() > 1", [], {
    // Some service has two when there are fewer services than errors.
    having: ["count(*) FILTER (status = 2) > count(DISTINCT service_name) FILTER (status = 2)"],
  }),
  search("event", '{ event.exception.type = "IOError" }', [
    `len(list_filter(events, lambda e: len(list_filter(e.attributes,
      lambda a: a.key = 'exception.type' AND a.str = 'IOError')) > 0)) > 0`,
  ]),
];

function search(
  id: string,
  query: string,
  where: readonly string[],
  more: Partial<Pick<SearchCase, "having" | "range">> = {},
): SearchCase {
  const { having, range } = { having: [], range: WHOLE as Range | undefined, ...more };
  return {
    id,
    label: `newest ${SEARCH_LIMIT} of \`${query}\`${rangeText(range)}`,
    query,
    where,
    having,
    range,
  };
}

function rangeText(range: Range | undefined): string {
  if (range === undefined) return ", no range";
  return range === WHOLE ? "" : `, ${(range.end - range.start) / 60} minutes`;
}

function user(value: string): string {
  return `"span.${NEEDLE.key}" = '${value}'`;
}

/** The right answer: ids of traces, newest first. */
export function answerSql({ where, having = [], range }: SearchCase, spans: string): string {
  const inRange =
    range === undefined
      ? []
      : [
          `epoch_ns(min(trace_start)) <= ${range.end}000000000`,
          `epoch_ns(min(trace_start)) + max(trace_duration_ns) >= ${range.start}000000000`,
        ];
  const conditions = [...where.map((condition) => `bool_or(${condition})`), ...having, ...inRange];
  return (
    `SELECT replace(trace_id::VARCHAR, '-', '') FROM ${spans} GROUP BY trace_id ` +
    `HAVING ${conditions.join(" AND ")} ORDER BY min(trace_start) DESC, trace_id LIMIT ${SEARCH_LIMIT}`
  );
}

/** A question about tags, and what its answer must hold. */
export type TagCase = {
  readonly id: string;
  readonly label: string;
  readonly path: string;
  /** Names or values that the answer has. */
  readonly holds: readonly string[];
  /** Number of values, where it is known. */
  readonly count?: number;
};

const PAYMENT = '{ resource.service.name = "payment" }';
const ERRORS = "{ status = error }";

export const TAGS: readonly TagCase[] = [
  tags("tags", "tag names (v2)", "/api/v2/search/tags", ["http.route", "service.name"]),
  tags("tags-v1", "tag names (v1)", "/api/search/tags", ["http.route", "service.name"]),
  {
    ...values("tag-values-service", "values of resource.service.name", "resource.service.name", [
      "frontend",
      "notification",
    ]),
    count: 12,
  },
  values("tag-values-user", `values of span.${NEEDLE.key} (50 000)`, `span.${NEEDLE.key}`, ["u-"]),
  values(
    "tag-values-filtered",
    "values of span.http.route of one service",
    "span.http.route",
    ["/api/orders"],
    PAYMENT,
  ),
  {
    // Those of the other services are never found.
    ...values(
      "tag-values-pods",
      "values of resource.k8s.pod.name of one service",
      "resource.k8s.pod.name",
      ["payment-"],
      PAYMENT,
    ),
    count: 1,
  },
  tags("tags-service", "tag names of one service", "/api/v2/search/tags", ["http.route"], PAYMENT),
  tags("tags-error", "tag names of errors", "/api/v2/search/tags", ["http.route"], ERRORS),
];

function tags(
  id: string,
  label: string,
  path: string,
  holds: readonly string[],
  query = "",
): TagCase {
  return { id, label, path: `${path}?${paramsOf(query)}`, holds };
}

function values(
  id: string,
  label: string,
  tag: string,
  holds: readonly string[],
  query = "",
): TagCase {
  return { id, label, path: `/api/v2/search/tag/${tag}/values?${paramsOf(query)}`, holds };
}

function paramsOf(query: string): URLSearchParams {
  const params = rangeParams();
  if (query !== "") params.set("q", query);
  return params;
}

function rangeParams(): URLSearchParams {
  return new URLSearchParams({ start: String(WHOLE.start), end: String(WHOLE.end) });
}

/** A search whose first streamed traces are waited for. */
export const STREAMED: readonly SearchCase[] = SEARCHES.filter(({ id }) =>
  ["error", "descendant", "avg", "needle"].includes(id),
);

export type MetricsCase = {
  readonly id: string;
  readonly query: string;
  readonly range: Range;
  /** The samples count every span once: as rates, or as counts. */
  readonly samples?: "rates" | "counts";
};

export const METRICS_STEP_SECONDS = 60;

/** TraceQL metrics in steps of a minute. */
export const METRICS: readonly MetricsCase[] = [
  metrics("rate", "{ } | rate()", "rates"),
  metrics("rate-by", "{ } | rate() by (span.http.route)", "rates"),
  metrics("rate-error", "{ status = error } | rate() by (resource.service.name)"),
  metrics("avg", "{ } | avg_over_time(duration)"),
  metrics("quantile", "{ } | quantile_over_time(duration, .5, .99)"),
  metrics("histogram", "{ } | histogram_over_time(duration)", "counts"),
  metrics(
    "histogram-by",
    "{ } | histogram_over_time(duration) by (resource.service.name)",
    "counts",
  ),
  metrics("compare", "{ } | compare({ status = error })"),
  metrics("structure", "{ } >> { status = error } | rate()"),
  { id: "metrics-rate-10m", query: "{ } | rate()", range: TEN_MINUTES },
];

function metrics(id: string, query: string, samples?: "rates" | "counts"): MetricsCase {
  const counted = samples === undefined ? {} : { samples };
  return { id: `metrics-${id}`, query, range: WHOLE, ...counted };
}

export function metricsLabel({ query, range }: MetricsCase): string {
  return `\`${query}\`, steps of ${METRICS_STEP_SECONDS} s${rangeText(range)}`;
}

export function metricsPath({ query, range }: MetricsCase): string {
  const params = new URLSearchParams({
    q: query,
    start: String(range.start),
    end: String(range.end),
    step: `${METRICS_STEP_SECONDS}s`,
  });
  return `/api/metrics/query_range?${params}`;
}

export function searchPath({ query, range }: SearchCase): string {
  const params = new URLSearchParams({ q: query, limit: String(SEARCH_LIMIT) });
  if (range !== undefined) {
    params.set("start", String(range.start));
    params.set("end", String(range.end));
  }
  return `/api/search?${params}`;
}
