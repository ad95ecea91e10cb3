import { dedicatedColumn, EVENTS_COLUMN, LINKS_COLUMN, overflowColumn } from "../schema/columns.ts";
import type { KeyStats, SegmentSummary } from "../schema/segment-meta.ts";
import { quoteIdentifier } from "../traceql/sql/sql.ts";
import { hidesTraces } from "./hidden-traces.ts";
import { OpenKeys } from "./open-keys.ts";
import { PerKeys } from "./per-keys.ts";
import type { QueryRun } from "./query-context.ts";
import { risingSlices } from "./rising-slices.ts";
import { SegmentServices } from "./segment-services.ts";
import { readSegments } from "./segment-sql.ts";
import { groupForFilter, type TagFilter } from "./tag-filter.ts";
import type { NamesByScope, TagScope } from "./tag-scopes.ts";

/**
 * Adds the names of attributes that spans of the segments have, those that pass the filter if there is
 * one, which is prepared for them. The catalog lists all that there can be, and of some services all
 * that there are: what is missing is looked for in few rows first, then in more, until nothing is.
 * Returns the segments that were read.
 */
export async function addNamesOfSpans(
  run: QueryRun,
  segments: readonly SegmentSummary[],
  filter: TagFilter | undefined,
  found: NamesByScope,
): Promise<SegmentSummary[]> {
  const read: SegmentSummary[] = [];
  for (const group of groupForFilter(segments, filter, columnsText())) {
    const sought = await soughtNames(run, group.segments, filter, found);
    for (const slice of risingSlices(group.segments)) {
      if (!isMissing(sought, found)) break;
      for (const meta of slice) read.push(meta);
      const source = `${readSegments(run.context, slice)} WHERE (${group.where})`;
      await readTested(run, source, sought.tested, found);
      await readListed(run, source, sought.listed, found);
    }
  }
  return read;
}

/** Segments share their lists of columns. */
function columnsText(): (meta: SegmentSummary) => string {
  const texts = new Map<readonly string[], string>();
  return ({ optionalColumns }) => {
    const text = texts.get(optionalColumns) ?? optionalColumns.join();
    texts.set(optionalColumns, text);
    return text;
  };
}

type SoughtNames = {
  /** Those with a column of their own, by an aggregate of the rows: whether some row has it. */
  readonly tested: ReadonlyMap<string, { readonly scope: TagScope; readonly key: string }>;
  /** The others, by the column in which rows list which they have. */
  readonly listed: ReadonlyMap<string, { readonly scope: TagScope; readonly keys: Set<string> }>;
};

/**
 * What the segments, which have the same columns, hold in the scopes of `found` and may pass the
 * filter. Adds what certainly does.
 */
async function soughtNames(
  run: QueryRun,
  segments: readonly SegmentSummary[],
  filter: TagFilter | undefined,
  found: NamesByScope,
): Promise<SoughtNames> {
  const columns = new Set(segments[0]?.optionalColumns);
  const tested = new Map<string, { scope: TagScope; key: string }>();
  const listed = new Map<string, { scope: TagScope; keys: Set<string> }>();
  const add = (stats: KeyStats): void => {
    const { scope, key } = stats;
    if (scope === "intrinsic" || !found.has(scope)) return;
    const test = testOf(stats, columns);
    if (test !== undefined) tested.set(test, { scope, key });
    const column = listColumn(stats);
    if (column === undefined || !columns.has(column)) return;
    const list = listed.get(column) ?? { scope, keys: new Set() };
    listed.set(column, list);
    list.keys.add(key);
  };
  if (filter?.services === undefined) {
    const added = new PerKeys<void>();
    await run.withKeys(segments, (meta) => added.get(meta, ({ keys }) => keys.forEach(add)));
    return { tested, listed };
  }
  const services = new SegmentServices(filter.services);
  const open = new PerKeys<OpenKeys>();
  await run.withKeys(segments, (meta) => {
    const isSure = services.exact && !hidesTraces(meta);
    open.get(meta, ({ keys }) => new OpenKeys(keys, found)).look(meta, services, isSure, add);
  });
  return { tested, listed };
}

function testOf(
  { scope, key, dedicated }: KeyStats,
  columns: ReadonlySet<string>,
): string | undefined {
  // '' rests where it has no column of its own.
  if (scope === "resource" && key === "service.name" && !dedicated)
    return "bool_or(service_name <> '')";
  if ((scope !== "span" && scope !== "resource") || !dedicated) return undefined;
  const column = dedicatedColumn(scope, key);
  return columns.has(column) ? `count(${quoteIdentifier(column).text}) > 0` : undefined;
}

function listColumn({ scope, type, dedicated }: KeyStats): string | undefined {
  switch (scope) {
    case "event":
      return EVENTS_COLUMN;
    case "link":
      return LINKS_COLUMN;
    case "instrumentation":
      return overflowColumn(scope, type);
    case "span":
    case "resource":
      return dedicated ? undefined : overflowColumn(scope, type);
    case "intrinsic":
      return undefined;
    default:
      return scope satisfies never;
  }
}

function isMissing({ tested, listed }: SoughtNames, found: NamesByScope): boolean {
  for (const { scope, key } of tested.values()) if (!found.get(scope)?.has(key)) return true;
  for (const { scope, keys } of listed.values()) {
    if (!isSubset(keys, found.get(scope) ?? keys)) return true;
  }
  return false;
}

/** All that are missing, in one pass over the rows. */
async function readTested(
  run: QueryRun,
  source: string,
  tested: SoughtNames["tested"],
  found: NamesByScope,
): Promise<void> {
  const missing = [...tested].filter(([, { scope, key }]) => !found.get(scope)?.has(key));
  if (missing.length === 0) return;
  const [row = []] = await run.rows(
    `SELECT ${missing.map(([sql]) => sql).join(", ")} FROM ${source}`,
  );
  for (const [i, [, { scope, key }]] of missing.entries()) {
    if (row[i] === true) found.get(scope)?.add(key);
  }
}

/** Distinct names in one column of some segments; more are cut. */
const MAX_NAMES = 100_000;

/** The columns of which some name is missing. */
async function readListed(
  run: QueryRun,
  source: string,
  listed: SoughtNames["listed"],
  found: NamesByScope,
): Promise<void> {
  for (const [column, { scope, keys }] of listed) {
    const names = found.get(scope);
    if (names === undefined || isSubset(keys, names)) continue;
    const rows = await run.rows(
      `SELECT DISTINCT tag FROM (${namesIn(column, source)}) WHERE tag IS NOT NULL
        ORDER BY tag LIMIT ${MAX_NAMES}`,
    );
    for (const [name] of rows) names.add(name as string);
  }
}

function isSubset(some: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  for (const one of some) if (!all.has(one)) return false;
  return true;
}

/** A SELECT of one column `tag`. */
function namesIn(column: string, source: string): string {
  if (column !== EVENTS_COLUMN && column !== LINKS_COLUMN)
    return `SELECT unnest(map_keys(${column})) AS tag FROM ${source}`;
  return `SELECT a.key AS tag FROM (SELECT unnest(e.attributes) AS a
    FROM (SELECT unnest(${column}) AS e FROM ${source}))`;
}
