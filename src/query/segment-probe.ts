import { isPintailError } from "../errors.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import { columnsOfNeeds } from "../schema/value-need.ts";
import {
  type KnownValues,
  mayMeet,
  NOTHING_KNOWN,
} from "../storage/segments/filters/known-values.ts";
import type { FilterScan } from "../storage/segments/filters/segment-filters.ts";
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
 * Asks what is known of the values of segments, before a statement names them: a file that the
 * database opens in vain costs it more than a filter in memory, or one that is read once. One for each
 * query.
 */
export class SegmentProbe {
  readonly #run: QueryRun;
  readonly #scan: FilterScan | undefined;
  /** By leaf; of the segments that were asked. */
  readonly #ruledOut = new Map<SegmentSummary, readonly boolean[]>();
  /** Segments that hold the same keys share their needs; undefined where they need nothing. */
  readonly #columns = new Map<LeafNeeds, readonly string[] | undefined>();
  readonly #answer: boolean[] = [];
  #lastAnswer: readonly boolean[] = [];

  constructor(run: QueryRun) {
    this.#run = run;
    this.#scan = run.context.segmentFilters?.scan();
  }

  /** Of segments that were asked before nothing is asked. */
  async ask(segments: readonly ProbedSegment[]): Promise<void> {
    const scan = this.#scan;
    if (scan === undefined) return;
    const unread: ProbedSegment[] = [];
    await this.#run.forEach(segments, (segment) => {
      const columns = this.#columnsOf(segment.needs);
      if (columns === undefined || this.#ruledOut.has(segment.meta)) return;
      const known = columns.length === 0 ? NOTHING_KNOWN : scan.known(segment.meta, columns);
      if (known === undefined) unread.push(segment);
      else this.#judge(segment, known);
    });
    if (unread.length === 0) return;
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
    const asked = segments.filter(({ needs }) => this.#columnsOf(needs) !== undefined);
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

  #judge({ meta, needs }: ProbedSegment, known: KnownValues): void {
    let isNew = needs.length !== this.#lastAnswer.length;
    for (let leaf = 0; leaf < needs.length; leaf++) {
      const need = needs[leaf];
      const isOut = need !== undefined && !mayMeet(need, known);
      isNew ||= isOut !== this.#lastAnswer[leaf];
      this.#answer[leaf] = isOut;
    }
    // Thousands that give the same answer share it.
    if (isNew) this.#lastAnswer = this.#answer.slice(0, needs.length);
    this.#ruledOut.set(meta, this.#lastAnswer);
  }

  /** What a segment with these needs is asked about; undefined: nothing. */
  #columnsOf(needs: LeafNeeds): readonly string[] | undefined {
    const known = this.#columns.get(needs);
    if (known !== undefined || this.#columns.has(needs)) return known;
    const asked = needs.filter((need) => need !== undefined);
    const columns = asked.length === 0 ? undefined : columnsOfNeeds(asked);
    this.#columns.set(needs, columns);
    return columns;
  }

  async #read(scan: FilterScan, segment: ProbedSegment): Promise<KnownValues> {
    try {
      const columns = this.#columnsOf(segment.needs) ?? [];
      return await scan.read(segment.meta, columns, this.#run.signal);
    } catch (error) {
      this.#run.throwIfOver();
      // The database will say what is wrong with a file, if it has to read it.
      if (isPintailError(error)) return NOTHING_KNOWN;
      throw error;
    }
  }
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
