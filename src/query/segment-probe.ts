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
import { BySegment } from "./by-segment.ts";
import type { LeafNeeds } from "./compiled-search.ts";
import type { QueryRun } from "./query-context.ts";

/** Files that are open at a time. */
const PARALLEL_READS = 8;
const FIRST_ASKED = 16;
const ASKED_GROWTH = 4;
/** Share of ruled out segments below which the others are read without being asked. */
const MIN_GAIN = 1 / 8;

/**
 * Asks what is known of the values of segments, before a statement names them: a file that the
 * database opens in vain costs it more than a filter in memory, or one that is read once. One for each
 * query, whose needs `needsOf` tells.
 */
export class SegmentProbe {
  readonly #run: QueryRun;
  readonly #needsOf: (meta: SegmentSummary) => LeafNeeds;
  readonly #scan: FilterScan | undefined;
  /** By leaf; of the segments that were asked. */
  readonly #ruledOut = new BySegment<readonly boolean[]>();
  /** Segments that hold the same keys share their needs; undefined where they need nothing. */
  readonly #columns = new Map<LeafNeeds, readonly string[] | undefined>();
  #lastNeeds: LeafNeeds | undefined;
  #lastColumns: readonly string[] | undefined;
  readonly #answer: boolean[] = [];
  #lastAnswer: readonly boolean[] = [];

  constructor(run: QueryRun, needsOf: (meta: SegmentSummary) => LeafNeeds) {
    this.#run = run;
    this.#needsOf = needsOf;
    this.#scan = run.context.segmentFilters?.scan();
  }

  /** Of segments that were asked before nothing is asked. */
  async ask(segments: readonly SegmentSummary[]): Promise<void> {
    const scan = this.#scan;
    if (scan === undefined) return;
    const unread: SegmentSummary[] = [];
    await this.#run.forEach(segments, (meta) => {
      const needs = this.#needsOf(meta);
      const columns = this.#columnsOf(needs);
      if (columns === undefined || this.#ruledOut.has(meta)) return;
      const known = columns.length === 0 ? NOTHING_KNOWN : scan.known(meta, columns);
      if (known === undefined) unread.push(meta);
      else this.#judge(meta, needs, known);
    });
    if (unread.length === 0) return;
    await inParallel(unread, PARALLEL_READS, async (meta) => {
      this.#run.throwIfOver();
      const needs = this.#needsOf(meta);
      const columns = this.#columnsOf(needs) ?? [];
      this.#judge(meta, needs, await this.#read(scan, meta, columns));
    });
  }

  /**
   * The same, until too few of them are ruled out: for those who read them all anyway. A value that
   * most segments hold costs no more than the first ones.
   */
  async askWhileWorthIt(segments: readonly SegmentSummary[]): Promise<void> {
    const asked = segments.filter((meta) => this.#columnsOf(this.#needsOf(meta)) !== undefined);
    let size = FIRST_ASKED;
    for (let at = 0; at < asked.length; at += size, size *= ASKED_GROWTH) {
      const some = asked.slice(at, at + size);
      await this.ask(some);
      const gain = some.filter((meta) => this.#ruledOut.get(meta)?.includes(true));
      if (gain.length < MIN_GAIN * some.length) return;
    }
  }

  /** By leaf whether no row of the segment matches it; undefined for one that was not asked. */
  ruledOut(meta: SegmentSummary): readonly boolean[] | undefined {
    return this.#ruledOut.get(meta);
  }

  /** Whether no row of the segment matches the leaf; false for one that was not asked. */
  isRuledOut(leaf: number, meta: SegmentSummary): boolean {
    return this.#ruledOut.get(meta)?.[leaf] ?? false;
  }

  #judge(meta: SegmentSummary, needs: LeafNeeds, known: KnownValues): void {
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
    if (needs === this.#lastNeeds) return this.#lastColumns;
    let columns = this.#columns.get(needs);
    if (columns === undefined && !this.#columns.has(needs)) {
      const asked = needs.filter((need) => need !== undefined);
      columns = asked.length === 0 ? undefined : columnsOfNeeds(asked);
      this.#columns.set(needs, columns);
    }
    this.#lastNeeds = needs;
    this.#lastColumns = columns;
    return columns;
  }

  async #read(
    scan: FilterScan,
    meta: SegmentSummary,
    columns: readonly string[],
  ): Promise<KnownValues> {
    try {
      return await scan.read(meta, columns, this.#run.signal);
    } catch (error) {
      this.#run.throwIfOver();
      // The database will say what is wrong with a file, if it has to read it.
      if (isPintailError(error)) return NOTHING_KNOWN;
      throw error;
    }
  }
}
