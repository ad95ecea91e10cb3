import {
  dedicatedColumn,
  EVENTS_COLUMN,
  LINKS_COLUMN,
  overflowColumn,
  type StoredAttributeType,
} from "../schema/columns.ts";
import type { SegmentSummary, SegmentWithKeys } from "../schema/segment-meta.ts";
import { quoteIdentifier, quoteLiteral } from "../traceql/sql/sql.ts";
import { hidesTraces } from "./hidden-traces.ts";
import { PerKeys } from "./per-keys.ts";
import { prepareSegments } from "./prepare-segments.ts";
import type { QueryEngine, QueryRun } from "./query-context.ts";
import { readSegments } from "./segment-sql.ts";
import { groupForFilter, type TagFilter } from "./tag-filter.ts";
import { ByteBudget, inspect, type TagStats } from "./tag-stats.ts";
import { segmentsOverlapping, type TimeRange } from "./time-range.ts";

/** Scopes that attributes have, in the order of the answer. */
export const TAG_SCOPES = ["resource", "span", "event", "link", "instrumentation"] as const;
export type TagScope = (typeof TAG_SCOPES)[number];

export type TagNamesRequest = {
  readonly tenants: readonly string[];
  readonly scopes: readonly TagScope[];
  readonly filter: TagFilter | undefined;
  readonly range: TimeRange | undefined;
  /** Names of each scope; 0 = all. */
  readonly limitPerScope: number;
  /** Of all names together; 0 = off. */
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
};

export type TagNamesResult = {
  /** Sorted names of each scope that has any. */
  readonly names: ReadonlyMap<TagScope, readonly string[]>;
  readonly stats: TagStats;
};

/** Without a filter this reads the catalog only; with one, and of segments that hide traces, the columns of the scopes asked for. */
export function tagNames(engine: QueryEngine, request: TagNamesRequest): Promise<TagNamesResult> {
  const { tenants, signal } = request;
  const timeoutMs = engine.context.settings.searchTimeoutMs;
  return engine.run({ tenants, signal, timeoutMs }, async (run) => {
    const found = new Map<TagScope, Set<string>>(request.scopes.map((scope) => [scope, new Set()]));
    const segments = tenants.flatMap((tenant) =>
      segmentsOverlapping(run.segments(tenant), request.range),
    );
    const { filter } = request;
    if (filter === undefined) {
      const names: ReadonlyMap<string, Set<string>> = found;
      const sure = segments.filter((meta) => !hidesTraces(meta));
      const added = new PerKeys<void>();
      await run.withKeys(sure, (meta) => {
        added.get(meta, ({ keys }) => {
          for (const { scope, key } of keys) names.get(scope)?.add(key);
        });
      });
      const unsure = segments.filter(hidesTraces);
      if (unsure.length > 0) await addFromSegments(run, unsure, undefined, found);
    } else {
      await prepareSegments(run, filter, segments);
      await addFromSegments(run, segments, filter, found);
    }
    return { names: cut(found, request), stats: inspect(segments, filter) };
  });
}

async function addFromSegments(
  run: QueryRun,
  segments: readonly SegmentSummary[],
  filter: TagFilter | undefined,
  found: ReadonlyMap<TagScope, Set<string>>,
): Promise<void> {
  const groups = groupForFilter(segments, filter, (meta) => meta.optionalColumns.join());
  for (const group of groups) {
    using loaded = await run.context.catalog.loadKeys(group.segments.slice(0, 1), run.signal);
    const meta = loaded.segments[0]!;
    const source = `${readSegments(run.context, group.segments)} WHERE (${group.where})`;
    for (const [scope, names] of found) {
      const selects = namesSql(scope, meta, source, names);
      if (selects.length === 0) continue;
      const rows = await run.rows(
        `SELECT DISTINCT tag FROM (${selects.join(" UNION ALL ")}) WHERE tag IS NOT NULL
          ORDER BY tag LIMIT ${MAX_NAMES}`,
      );
      for (const [name] of rows) names.add(name as string);
    }
  }
}

/** Distinct names in one scope of one group of segments; more are cut. */
const MAX_NAMES = 100_000;
const TYPES: readonly StoredAttributeType[] = ["string", "int", "double", "bool", "json"];

/** SELECTs of one column `tag`; names in `known` need not be looked for. */
function namesSql(
  scope: TagScope,
  meta: SegmentWithKeys,
  source: string,
  known: ReadonlySet<string>,
): string[] {
  const has = (column: string): boolean => meta.optionalColumns.includes(column);
  if (scope === "event" || scope === "link") {
    const column = scope === "event" ? EVENTS_COLUMN : LINKS_COLUMN;
    if (!has(column)) return [];
    return [
      `SELECT a.key AS tag FROM (SELECT unnest(e.attributes) AS a
        FROM (SELECT unnest(${column}) AS e FROM ${source}))`,
    ];
  }
  const selects: string[] = [];
  if (scope !== "instrumentation") {
    const keys = meta.keys.filter(
      (stats) =>
        stats.scope === scope &&
        stats.dedicated &&
        has(dedicatedColumn(scope, stats.key)) &&
        !known.has(stats.key),
    );
    const tests = keys.map(({ key }) => ({
      key,
      sql: `count(${quoteIdentifier(dedicatedColumn(scope, key)).text}) > 0`,
    }));
    if (scope === "resource" && !known.has("service.name"))
      tests.push({ key: "service.name", sql: "bool_or(service_name <> '')" });
    if (tests.length > 0) {
      const present = tests.map(({ key, sql }) => `CASE WHEN ${sql} THEN ${quoteLiteral(key)} END`);
      selects.push(`SELECT unnest([${present.join(", ")}]) AS tag FROM ${source}`);
    }
  }
  for (const type of TYPES) {
    const column = overflowColumn(scope, type);
    if (has(column)) selects.push(`SELECT unnest(map_keys(${column})) AS tag FROM ${source}`);
  }
  return selects;
}

function cut(
  found: ReadonlyMap<TagScope, ReadonlySet<string>>,
  request: TagNamesRequest,
): Map<TagScope, readonly string[]> {
  const budget = new ByteBudget(request.maxBytes);
  const result = new Map<TagScope, readonly string[]>();
  for (const [scope, names] of found) {
    const sorted = [...names].sort();
    const limited = request.limitPerScope > 0 ? sorted.slice(0, request.limitPerScope) : sorted;
    const kept = limited.filter((name) => budget.take(name));
    if (kept.length > 0) result.set(scope, kept);
  }
  return result;
}
