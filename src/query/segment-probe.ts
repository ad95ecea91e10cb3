import { isPintailError } from "../errors.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import { columnsOfNeeds } from "../schema/value-need.ts";
import type { FilterScan } from "../storage/segments/filters/segment-filters.ts";
import {
  mayMeet,
  NO_FILTERS,
  type ValueFilters,
} from "../storage/segments/filters/value-filters.ts";
import { inParallel } from "../util/in-parallel.ts";
import type { CompiledSearch, LeafNeeds } from "./compiled-search.ts";
import type { QueryRun } from "./query-context.ts";

export type ProbedSegment = { readonly meta: SegmentSummary; readonly needs: LeafNeeds };

/** Files that are open at a time. */
const PARALLEL_READS = 8;
const FIRST_ASKED = 16;
const ASKED_GROWTH = 4;
/** Share of ruled out segments below which the others are read without being asked. */
const MIN_GAIN = 1 / 8;

/**
 * Asks the bloom filters of segments, before a statement names them: a file that the database opens
 * in vain costs it more than a filter in memory, or one that is read once. One for each query.
 */
export class SegmentProbe {
  readonly #run: QueryRun;
  readonly #scan: FilterScan | undefined;
  readonly #ruledOut = new Map<SegmentSummary, readonly boolean[]>();

  constructor(run: QueryRun) {
    this.#run = run;
    this.#scan = run.context.segmentFilters?.scan();
  }

  /** Of segments that were asked before nothing is asked. */
  async ask(segments: readonly ProbedSegment[]): Promise<void> {
    const scan = this.#scan;
    const asked = segments.filter(({ needs }) => needs.some((need) => need !== undefined));
    if (scan === undefined || asked.length === 0) return;
    const unread: ProbedSegment[] = [];
    await this.#run.forEach(asked, (segment) => {
      if (this.#ruledOut.has(segment.meta)) return;
      const columns = columnsOf(segment);
      const filters = columns.length === 0 ? NO_FILTERS : scan.known(segment.meta, columns);
      if (filters === undefined) unread.push(segment);
      else this.#judge(segment, filters);
    });
    await inParallel(unread, PARALLEL_READS, async (segment) => {
      this.#run.throwIfOver();
      this.#judge(segment, await this.#read(scan, segment));
    });
  }

  /**
   * The same, until too few of them are ruled out: for those who read them all anyway. A value that
   * most segments hold costs no more than the first ones.
   */
  async askWhileWorthIt(segments: readonly ProbedSegment[]): Promise<void> {
    const asked = segments.filter(({ needs }) => needs.some((need) => need !== undefined));
    let size = FIRST_ASKED;
    for (let at = 0; at < asked.length; at += size, size *= ASKED_GROWTH) {
      const some = asked.slice(at, at + size);
      await this.ask(some);
      const gain = some.filter(({ meta }) => this.#ruledOut.get(meta)?.includes(true));
      if (gain.length < MIN_GAIN * some.length) return;
    }
  }

  /** Whether no row of the segment matches the leaf; false for one that was not asked. */
  isRuledOut(leaf: number, meta: SegmentSummary): boolean {
    return this.#ruledOut.get(meta)?.[leaf] ?? false;
  }

  #judge({ meta, needs }: ProbedSegment, filters: ValueFilters): void {
    this.#ruledOut.set(
      meta,
      needs.map((need) => need !== undefined && !mayMeet(need, filters)),
    );
  }

  async #read(scan: FilterScan, segment: ProbedSegment): Promise<ValueFilters> {
    try {
      return await scan.read(segment.meta, columnsOf(segment), this.#run.signal);
    } catch (error) {
      this.#run.throwIfOver();
      // The database will say what is wrong with a file, if it has to read it.
      if (isPintailError(error)) return NO_FILTERS;
      throw error;
    }
  }
}

/** Segments that hold the same keys share their needs. */
const columnsOfLeaves = new WeakMap<LeafNeeds, readonly string[]>();

function columnsOf({ needs }: ProbedSegment): readonly string[] {
  let columns = columnsOfLeaves.get(needs);
  if (columns === undefined) {
    columns = columnsOfNeeds(needs.filter((need) => need !== undefined));
    columnsOfLeaves.set(needs, columns);
  }
  return columns;
}

/** The search, which knows of each segment what the probe has found out by then. */
export function probedSearch(search: CompiledSearch, probe: SegmentProbe): CompiledSearch {
  const isOpen = (leaf: number, meta: SegmentSummary) => !probe.isRuledOut(leaf, meta);
  return {
    ...search,
    mayMatch: (leaf, meta) => search.mayMatch(leaf, meta) && isOpen(leaf, meta),
    mayMatchWhole: (leaf, meta) => search.mayMatchWhole(leaf, meta) && isOpen(leaf, meta),
  };
}
