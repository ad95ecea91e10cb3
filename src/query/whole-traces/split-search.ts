import type { SqlValue } from "../../drivers/duckdb/database.ts";
import { PintailError } from "../../errors.ts";
import type { SegmentSummary, SegmentWithFilter } from "../../schema/segment-meta.ts";
import { DETAILS_PORTION } from "../../storage/catalog/catalog.ts";
import { endOfSegment, segmentsIn } from "../../storage/catalog/time-index.ts";
import { mayContainHash, traceIdHash } from "../../storage/segments/trace-filter.ts";
import { maxOf, minOf } from "../bigint-bounds.ts";
import type { QueryRun } from "../query-context.ts";
import { readSegments } from "../segment-sql.ts";
import { traceIdFromHex } from "../trace-id.ts";
import {
  type BorderZones,
  LONG_NANOS,
  type NearPair,
  nearPairs,
  SLACK_NANOS,
  zonesOfAll,
  zonesOfPairs,
} from "./border-zones.ts";
import { idTable } from "./id-table.ts";
import {
  hasPart,
  type KnownPart,
  type KnownTrace,
  KnownTraces,
  type PartTimes,
} from "./known-traces.ts";
import { perFileSql } from "./overlay-sql.ts";
import type { ResidentSegment } from "./resident-segments.ts";
import { isWorthKeeping, type SharedTrace, type SplitCache } from "./split-cache.ts";
import { inRangesSql, type StartRange } from "./start-ranges.ts";

/** More pairs of near segments are not looked at one by one; a day of L1 segments has some hundred. */
const MAX_PAIRS = 20_000;
/** Two for each border between segments of some days. */
const MAX_ZONE_RANGES = 256;

/** A segment to look for further parts in: of any trace with a part near to it, or of long parts only. */
type Target = { readonly meta: SegmentSummary; readonly onlyOfLong: boolean };

export type SplitSearchParts = {
  readonly slice: ReadonlySet<SegmentSummary>;
  readonly cache: SplitCache;
  readonly resident: ReadonlyMap<SegmentSummary, ResidentSegment>;
  readonly maxTraces: number;
};

/** One search for the traces that segments have in common. */
export class SplitSearch {
  readonly known = new KnownTraces();
  readonly #run: QueryRun;
  readonly #all: readonly SegmentSummary[];
  readonly #slice: ReadonlySet<SegmentSummary>;
  readonly #cache: SplitCache;
  readonly #resident: ReadonlyMap<SegmentSummary, ResidentSegment>;
  readonly #maxTraces: number;
  /** Pairs whose zones are read; `undefined`: all pairs, too many to be listed. */
  readonly #open: readonly NearPair[] | undefined;
  readonly #zones: BorderZones;
  /** What the cache knows all of. */
  readonly #cachedPairs: NearPair[] = [];
  #cached: ReadonlyMap<SegmentSummary, ReadonlySet<SegmentSummary>> | undefined;
  readonly #read: ReadonlySet<SegmentSummary>;
  readonly #readWhole: ReadonlySet<SegmentSummary>;
  readonly #targets = new Map<SegmentSummary, readonly Target[]>();

  /**
   * `near` in order of first starts; each of `all` may hold further parts. All traces of `resident`
   * segments are known from the start.
   */
  constructor(
    run: QueryRun,
    near: readonly SegmentSummary[],
    all: readonly SegmentSummary[],
    { slice, cache, resident, maxTraces }: SplitSearchParts,
  ) {
    this.#slice = slice;
    this.#run = run;
    this.#cache = cache;
    this.#maxTraces = maxTraces;
    this.#all = all;
    this.#resident = resident;
    near = near.filter((meta) => !resident.has(meta));
    this.#open = nearPairs(near, slice, MAX_PAIRS)?.filter((pair) => !this.#takeCached(pair));
    this.#zones = this.#open === undefined ? zonesOfAll(near, slice) : zonesOfPairs(this.#open);
    this.#readWhole = new Set(this.#zones.whole);
    this.#read = new Set([...this.#zones.whole, ...this.#zones.partial]);
  }

  async addResident(): Promise<void> {
    await this.#run.forEach([...this.#resident], ([meta, { traces }]) => {
      for (const { traceId, startUnixNano, endUnixNano, hash } of traces.values()) {
        this.known.add(traceId, { meta, startUnixNano, endUnixNano }, hash);
      }
    });
  }

  /** Finds traces that are split already, and those long enough to have parts outside the zones. */
  async readZones(): Promise<void> {
    const { whole, partial, ranges } = this.#zones;
    const selects: string[] = [];
    if (whole.length > 0) selects.push(this.#rowsSql(whole, 0, "true"));
    if (partial.length > 0) {
      const first = whole.length;
      // Apart, since each alone lets the database skip row groups.
      if (ranges.length > 0) {
        selects.push(this.#rowsSql(partial, first, inRangesSql(ranges, MAX_ZONE_RANGES)));
      }
      selects.push(this.#rowsSql(partial, first, `trace_duration_ns >= ${LONG_NANOS}`));
    }
    if (selects.length === 0) return;
    const wanted = `count(*) > 1 OR max(duration) >= ${LONG_NANOS}`;
    await this.#addParts([...whole, ...partial], selects.join(" UNION ALL "), wanted);
  }

  /** Looks for parts outside of what was read, as long as what is found brings more segments near. */
  async followParts(): Promise<void> {
    for (;;) {
      const ranges = new Map<SegmentSummary, StartRange>();
      const open = new Set<string>();
      const targets = this.#allTargets();
      for (let at = 0; at < targets.length; at += DETAILS_PORTION) {
        const portion = targets.slice(at, at + DETAILS_PORTION);
        using loaded = await this.#run.context.catalog.loadFilters(portion, this.#run.signal);
        const filters = new Map<SegmentSummary, SegmentWithFilter>();
        for (const meta of loaded.segments) filters.set(meta, meta);
        await this.#run.forEach(this.known.all(), (trace) => {
          if (this.#openTargets(trace, filters, ranges)) open.add(trace.traceId);
        });
      }
      const ids = [...open];
      if (ids.length === 0) return;
      const metas = [...ranges.keys()];
      const table = await idTable(this.#run, ids);
      try {
        const wanted = `trace_id IN (SELECT trace_id FROM ${table.name})`;
        const near = inRangesSql([...ranges.values()], MAX_ZONE_RANGES);
        // Apart, since each alone lets the database skip row groups; rows that both give do no harm.
        const selects = [near, `trace_duration_ns >= ${LONG_NANOS}`].map((where) =>
          this.#rowsSql(metas, 0, `${wanted} AND (${where})`),
        );
        await this.#addParts(metas, selects.join(" UNION ALL "), "true");
      } finally {
        await table[Symbol.asyncDispose]();
      }
    }
  }

  /** Remembers what the pairs that were read have in common. */
  keep(): void {
    const kept = this.#open?.filter(isWorthKeeping) ?? [];
    if (kept.length === 0) return;
    const shared = new Map<SegmentSummary, Map<SegmentSummary, SharedTrace[]>>();
    for (const { first, second } of kept) {
      const others = shared.get(first) ?? new Map<SegmentSummary, SharedTrace[]>();
      shared.set(first, others.set(second, []));
    }
    for (const { traceId, parts } of this.known.all()) {
      for (const first of parts) {
        const others = shared.get(first.meta);
        if (others === undefined) continue;
        for (const second of parts) {
          const traces = others.get(second.meta);
          traces?.push({ traceId, inFirst: timesOf(first), inSecond: timesOf(second) });
        }
      }
    }
    for (const pair of kept) {
      this.#cache.set(pair, shared.get(pair.first)?.get(pair.second) ?? []);
    }
  }

  #takeCached(pair: NearPair): boolean {
    if (!isWorthKeeping(pair)) return false;
    const traces = this.#cache.get(pair);
    if (traces === undefined) return false;
    const { first, second } = pair;
    for (const { traceId, inFirst, inSecond } of traces) {
      this.known.add(traceId, { meta: first, ...inFirst });
      this.known.add(traceId, { meta: second, ...inSecond });
    }
    this.#cachedPairs.push(pair);
    return true;
  }

  /** Segments that may hold further parts of any trace that is known. */
  #allTargets(): SegmentSummary[] {
    const from = new Set(this.known.all().flatMap(({ parts }) => parts.map(({ meta }) => meta)));
    const targets = new Set<SegmentSummary>();
    for (const one of from) for (const { meta } of this.#targetsFrom(one)) targets.add(meta);
    return [...targets];
  }

  /** Enters those of `filters` that may hold more of the trace, and where; whether there are any. */
  #openTargets(
    trace: KnownTrace,
    filters: ReadonlyMap<SegmentSummary, SegmentWithFilter>,
    ranges: Map<SegmentSummary, StartRange>,
  ): boolean {
    let some = false;
    for (const part of trace.parts) {
      const isLong = part.endUnixNano - part.startUnixNano >= LONG_NANOS;
      for (const { meta, onlyOfLong } of this.#targetsFrom(part.meta)) {
        const filter = filters.get(meta);
        if (filter === undefined || (onlyOfLong && !isLong) || !isNearPart(meta, part)) continue;
        if (trace.tried?.has(meta) === true || hasPart(trace, meta)) continue;
        trace.hash ??= traceIdHash(traceIdFromHex(trace.traceId));
        if (!mayContainHash(filter.traceFilter, trace.hash)) continue;
        trace.tried = (trace.tried ?? new Set()).add(meta);
        const range = rangeAround(part);
        const other = ranges.get(meta) ?? range;
        ranges.set(meta, { from: minOf(range.from, other.from), to: maxOf(range.to, other.to) });
        some = true;
      }
    }
    return some;
  }

  /** The segments near this one that may hold parts which are neither cached nor read. */
  #targetsFrom(from: SegmentSummary): readonly Target[] {
    const known = this.#targets.get(from);
    if (known !== undefined) return known;
    const targets: Target[] = [];
    // Seldom asked for: most segments have no trace in common.
    this.#cached ??= othersOf(this.#cachedPairs);
    const cached = this.#cached.get(from);
    const begin = from.minTraceStart - SLACK_NANOS;
    const end = endOfSegment(from) + SLACK_NANOS;
    for (const meta of segmentsIn(this.#all, { startUnixNano: begin, endUnixNano: end })) {
      if (meta === from || this.#resident.has(meta)) continue;
      if (cached?.has(meta) === true) continue;
      const bothRead =
        this.#read.has(from) &&
        this.#read.has(meta) &&
        (this.#slice.has(from) || this.#slice.has(meta));
      if (bothRead && this.#readWhole.has(meta)) continue;
      targets.push({ meta, onlyOfLong: bothRead });
    }
    this.#targets.set(from, targets);
    return targets;
  }

  #rowsSql(segments: readonly SegmentSummary[], firstNumber: number, where: string): string {
    const number = perFileSql(segments.map((_, i) => firstNumber + i));
    return `SELECT trace_id, trace_start, trace_duration_ns, ${number} AS segment
      FROM ${readSegments(this.#run.context, segments)} WHERE ${where}`;
  }

  /** Enters the parts that the rows tell of, for the traces for which `wanted` holds. */
  async #addParts(
    segments: readonly SegmentSummary[],
    rows: string,
    wanted: string,
  ): Promise<void> {
    const max = this.#maxTraces;
    const found =
      await this.#run.rows(`SELECT trace_id, list(segment), list(start), list(duration) FROM (
        SELECT trace_id, segment, epoch_ns(any_value(trace_start)) AS start,
          any_value(trace_duration_ns) AS duration
        FROM (${rows}) GROUP BY trace_id, segment)
      GROUP BY trace_id HAVING ${wanted} LIMIT ${max + 1}`);
    if (found.length > max) {
      throw new PintailError(
        "limited",
        `more than ${max} traces lie in several segments or last longer than ${LONG_NANOS / 1_000_000_000n}s`,
      );
    }
    await this.#run.forEach(found, (row) => this.#addRow(row, segments));
  }

  #addRow(row: readonly SqlValue[], segments: readonly SegmentSummary[]): void {
    const [traceId, numbers, starts, durations] = row as [string, bigint[], bigint[], bigint[]];
    for (const [i, number] of numbers.entries()) {
      const meta = segments[Number(number)]!;
      const startUnixNano = starts[i]!;
      const endUnixNano = startUnixNano + durations[i]!;
      this.known.add(traceId, { meta, startUnixNano, endUnixNano });
    }
  }
}

/** With which others each segment is in a pair. */
function othersOf(pairs: readonly NearPair[]): Map<SegmentSummary, Set<SegmentSummary>> {
  const others = new Map<SegmentSummary, Set<SegmentSummary>>();
  for (const { first, second } of pairs) {
    others.set(first, (others.get(first) ?? new Set()).add(second));
    others.set(second, (others.get(second) ?? new Set()).add(first));
  }
  return others;
}

/** Where further parts near to this one start, but for long ones. */
function rangeAround(part: KnownPart): StartRange {
  return {
    from: part.startUnixNano - SLACK_NANOS - LONG_NANOS,
    to: part.endUnixNano + SLACK_NANOS,
  };
}

function timesOf({ startUnixNano, endUnixNano }: KnownPart): PartTimes {
  return { startUnixNano, endUnixNano };
}

function isNearPart(meta: SegmentSummary, part: KnownPart): boolean {
  return (
    meta.minTraceStart <= part.endUnixNano + SLACK_NANOS &&
    endOfSegment(meta) >= part.startUnixNano - SLACK_NANOS
  );
}
