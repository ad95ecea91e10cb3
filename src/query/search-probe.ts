import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { CompiledSearch } from "./compiled-search.ts";
import type { QueryRun } from "./query-context.ts";
import { SegmentProbe } from "./segment-probe.ts";

/** What a search finds out about segments before it reads them. */
export class SearchProbe {
  /** The search, which knows of each segment what was found out by then. */
  readonly probed: CompiledSearch;
  readonly #own: SegmentProbe;
  /** Of spans that are judged as of whole traces. */
  readonly #whole: SegmentProbe;

  constructor(run: QueryRun, search: CompiledSearch) {
    const { needs, needsWhole } = search;
    const own = new SegmentProbe(run, needs);
    const whole = needsWhole === undefined ? own : new SegmentProbe(run, needsWhole);
    this.#own = own;
    this.#whole = whole;
    this.probed = {
      ...search,
      mayMatch: (leaf, meta) => search.mayMatch(leaf, meta) && !own.isRuledOut(leaf, meta),
      mayMatchWhole: (leaf, meta) =>
        search.mayMatchWhole(leaf, meta) && !whole.isRuledOut(leaf, meta),
    };
  }

  /** Of segments that were asked before nothing is asked. */
  async ask(segments: readonly SegmentSummary[]): Promise<void> {
    await this.#own.ask(segments);
    if (this.#whole !== this.#own) await this.#whole.ask(segments);
  }
}
