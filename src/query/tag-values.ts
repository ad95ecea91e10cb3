import type { KeyStats, SegmentSummary } from "../schema/segment-meta.ts";
import { hidesTraces } from "./hidden-traces.ts";
import type { QueryEngine, QueryRun } from "./query-context.ts";
import { readSegments } from "./segment-sql.ts";
import type { TagSource } from "./tag-field.ts";
import { type FilteredSegments, groupForFilter, type TagFilter } from "./tag-filter.ts";
import { attributePlaces, type ValuePlace } from "./tag-places.ts";
import { ByteBudget, inspect, type TagStats } from "./tag-stats.ts";
import { type TagValue, tagValuesOf, tagValuesOfText } from "./tag-value.ts";
import { segmentsOverlapping, type TimeRange } from "./time-range.ts";

export type TagValuesRequest = {
  readonly tenants: readonly string[];
  readonly source: TagSource;
  readonly filter: TagFilter | undefined;
  readonly range: TimeRange | undefined;
  /** 0 = all. */
  readonly limit: number;
  /** Of all values together; 0 = off. */
  readonly maxBytes: number;
  /** What a value costs of `maxBytes`. */
  readonly cost: (value: TagValue) => readonly string[];
  /** Values known without looking, listed like the others. */
  readonly known?: readonly TagValue[];
  readonly signal?: AbortSignal | undefined;
};

export type TagValuesResult = {
  /** Sorted by value, then type; each once. */
  readonly values: readonly TagValue[];
  readonly stats: TagStats;
};

/** Distinct values read of one place in one group of segments; more are cut. */
const MAX_VALUES = 100_000;

/**
 * The values of a field. The catalog answers where it lists all values of a segment, which hides no
 * trace, and there is no filter; only the other segments are read.
 */
export function tagValues(
  engine: QueryEngine,
  request: TagValuesRequest,
): Promise<TagValuesResult> {
  const { tenants, signal } = request;
  const timeoutMs = engine.context.settings.searchTimeoutMs;
  return engine.run({ tenants, signal, timeoutMs }, async (run) => {
    const segments = tenants.flatMap((tenant) =>
      segmentsOverlapping(run.segments(tenant), request.range),
    );
    const found = new Map<string, TagValue>();
    const add = (value: TagValue): void => {
      found.set(`${value.type} ${value.value}`, value);
    };
    for (const value of [...request.source.fixed, ...(request.known ?? [])]) add(value);
    const { field } = request.source;
    if (field === undefined)
      return { values: cut(found, request), stats: inspect(segments, undefined) };
    const unanswered = new Map<string, { place: ValuePlace; segments: SegmentSummary[] }>();
    const { filter } = request;
    await run.withKeys(segments, (meta) => {
      filter?.prepare(meta);
      if (filter !== undefined && !filter.mayMatch(meta)) return;
      for (const { place, stats } of attributePlaces(meta, field)) {
        if (filter === undefined && stats?.complete && !hidesTraces(meta)) addListed(stats, add);
        else {
          const entry = unanswered.get(place.sqlKey) ?? { place, segments: [] };
          unanswered.set(place.sqlKey, entry);
          entry.segments.push(meta);
        }
      }
    });
    const maxRows = request.limit > 0 ? Math.min(request.limit + 1, MAX_VALUES) : MAX_VALUES;
    for (const entry of unanswered.values()) {
      for (const group of groupForFilter(entry.segments, filter, () => "")) {
        // What is beyond the bound here is beyond it in the whole answer too.
        const budget = new ByteBudget(request.maxBytes);
        await readDistinct(run, entry.place, group, maxRows, (value) => {
          if (budget.take(...request.cost(value))) add(value);
        });
      }
    }
    return { values: cut(found, request), stats: inspect(segments, filter) };
  });
}

function addListed(stats: KeyStats, add: (value: TagValue) => void): void {
  for (const text of stats.values)
    for (const value of tagValuesOfText(stats.type, text)) add(value);
}

async function readDistinct(
  run: QueryRun,
  place: ValuePlace,
  { segments, where }: FilteredSegments,
  maxRows: number,
  onValue: (value: TagValue) => void,
): Promise<void> {
  const source = `${readSegments(run.context, segments)} WHERE (${where})`;
  const statement = `SELECT DISTINCT v FROM (${place.select(source)}) WHERE v IS NOT NULL
    ORDER BY v LIMIT ${maxRows}`;
  await run.chunks(statement, ({ columns }) => {
    for (const value of columns[0] ?? []) tagValuesOf(place.type, value).forEach(onValue);
  });
}

function cut(found: ReadonlyMap<string, TagValue>, request: TagValuesRequest): TagValue[] {
  const budget = new ByteBudget(request.maxBytes);
  const sorted = [...found.values()].sort(compareValues);
  const limited = request.limit > 0 ? sorted.slice(0, request.limit) : sorted;
  return limited.filter((value) => budget.take(...request.cost(value)));
}

function compareValues(a: TagValue, b: TagValue): number {
  if (a.value !== b.value) return a.value < b.value ? -1 : 1;
  return a.type < b.type ? -1 : a.type > b.type ? 1 : 0;
}
