import type { StoredAttributeType } from "../schema/columns.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import { hidesTraces } from "./hidden-traces.ts";
import { PerKeys } from "./per-keys.ts";
import { prepareSegments } from "./prepare-segments.ts";
import type { QueryEngine, QueryRun } from "./query-context.ts";
import { risingSlices } from "./rising-slices.ts";
import { type ListedKey, SegmentServices, ValuesOfServices } from "./segment-services.ts";
import { readSegments } from "./segment-sql.ts";
import type { TagSource } from "./tag-field.ts";
import { type FilteredSegments, groupForFilter, type TagFilter } from "./tag-filter.ts";
import { attributePlaces, type ListedPlace, type ValuePlace } from "./tag-places.ts";
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
/** Values of one place that are expected; of more the segments are read as if nothing were known. */
const MAX_EXPECTED = 10_000;

/**
 * The values of a field. The catalog answers where it lists all values of a segment, which hides no
 * trace, and there is no filter, or one that asks for services and nothing else; only the other
 * segments are read. With a filter they are read until all values that the catalog lists are found,
 * those alone that occur with the services it asks for.
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
      found.set(keyOf(value), value);
    };
    for (const value of [...request.source.fixed, ...(request.known ?? [])]) add(value);
    const { field } = request.source;
    if (field === undefined) return { values: cut(found, request), stats: inspect(segments, []) };
    const unanswered = new Map<string, Unanswered>();
    const { filter } = request;
    const places = new PerKeys<readonly ListedPlace[]>();
    const answers = new ListedValues(add);
    const ofServices =
      filter?.services && new ValuesOfServices(new SegmentServices(filter.services));
    if (filter !== undefined) await prepareSegments(run, filter, segments);
    await run.withKeys(segments, (meta) => {
      if (filter !== undefined && !filter.mayMatch(meta)) return;
      const { keys } = meta;
      for (const { place, keyIndex } of places.get(meta, () => attributePlaces(meta, field))) {
        const stats = keyIndex === undefined ? undefined : keys[keyIndex];
        const all = stats?.complete ? stats : undefined;
        const some = all && ofServices?.of(meta, all);
        const answer = filter === undefined ? all : filter.services?.exact ? some : undefined;
        if (answer !== undefined && !hidesTraces(meta)) answers.add(answer);
        else {
          const entry = unanswered.get(place.sqlKey) ?? new Unanswered(place);
          unanswered.set(place.sqlKey, entry);
          entry.add(meta, some ?? all);
        }
      }
    });
    const maxRows = request.limit > 0 ? Math.min(request.limit + 1, MAX_VALUES) : MAX_VALUES;
    const inspected = new Set<SegmentSummary>();
    for (const { place, listed, others, expected } of unanswered.values()) {
      const read = async (group: FilteredSegments): Promise<void> => {
        for (const meta of group.segments) inspected.add(meta);
        // What is beyond the bound here is beyond it in the whole answer too.
        const budget = new ByteBudget(request.maxBytes);
        await readDistinct(run, place, group, maxRows, (value) => {
          if (budget.take(...request.cost(value))) add(value);
        });
      };
      for (const group of groupForFilter(others, filter, () => "")) await read(group);
      for (const { segments: some, where } of groupForFilter(listed, filter, () => "")) {
        for (const slice of risingSlices(some)) {
          if ([...expected].every((key) => found.has(key))) break;
          await read({ segments: slice, where });
        }
      }
    }
    return { values: cut(found, request), stats: inspect(segments, inspected) };
  });
}

/** Segments that are to be read for one place. */
class Unanswered {
  readonly place: ValuePlace;
  /** Those with no values but `expected`. */
  listed: SegmentSummary[] = [];
  others: SegmentSummary[] = [];
  readonly expected = new Set<string>();
  readonly #expecting = new ListedValues((value) => this.expected.add(keyOf(value)));

  constructor(place: ValuePlace) {
    this.place = place;
  }

  /** `values`: all that may be found in it; undefined: others may be too. */
  add(meta: SegmentSummary, values: ListedKey | undefined): void {
    if (values === undefined || this.expected.size > MAX_EXPECTED) {
      this.others.push(meta);
      return;
    }
    this.listed.push(meta);
    this.#expecting.add(values);
    if (this.expected.size <= MAX_EXPECTED) return;
    this.others.push(...this.listed);
    this.listed = [];
  }
}

function keyOf({ type, value }: TagValue): string {
  return `${type} ${value}`;
}

/** Lists that are remembered, since most segments share theirs. */
const MAX_LISTS = 256;

/** Gives the values that the catalog lists; those of a list that segments share not for each of them. */
class ListedValues {
  readonly #add: (value: TagValue) => void;
  readonly #given = new Map<readonly string[], StoredAttributeType>();

  constructor(add: (value: TagValue) => void) {
    this.#add = add;
  }

  add({ type, values }: ListedKey): void {
    if (this.#given.get(values) === type) return;
    for (const text of values) tagValuesOfText(type, text).forEach(this.#add);
    if (this.#given.size === MAX_LISTS) this.#given.clear();
    this.#given.set(values, type);
  }
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
