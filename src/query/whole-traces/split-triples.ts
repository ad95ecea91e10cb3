import { isPintailError } from "../../errors.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { perContext } from "../per-context.ts";
import type { QueryRun } from "../query-context.ts";
import { nearSegments } from "./border-zones.ts";
import { idTable } from "./id-table.ts";
import type { OverlayLimits } from "./overlay-limits.ts";
import { startsBySegment } from "./part-starts.ts";
import { readParts } from "./read-whole-traces.ts";
import { findSplitTraces, type SplitTrace, type SplitTraces } from "./split-traces.ts";
import { TripleFinder } from "./triple-finder.ts";

/** Looked at together: so many have few traces in common with others, or last long. */
const PORTION_SEGMENTS = 32;

/** For each portion; reading a row costs some 5 µs, once. */
const LIMITS: OverlayLimits = { maxTraces: 500_000, maxRows: 500_000 };

/**
 * Which segments hold part of a trace that has three spans of one id, though not in one segment:
 * such a trace has no numbers and so no roots, which its segments do not know. Files never change,
 * so that each segment is looked at once, against those that there are by then; and what comes
 * later is itself compared with what was there.
 */
export class SplitTriples {
  /** What was looked at; true: has such a trace. It goes with the catalog's description. */
  readonly #known = new WeakMap<SegmentSummary, boolean>();
  readonly #limits: OverlayLimits;

  constructor(limits: OverlayLimits = LIMITS) {
    this.#limits = limits;
  }

  /**
   * Whether `slice` has a part of such a trace; now and then true where it has not. Costs next to
   * nothing once all are known. Segments with more split traces than the limits allow are taken to
   * have none: their answers may then hold a root too many, but are not refused.
   */
  async areIn(
    run: QueryRun,
    slice: readonly SegmentSummary[],
    all: readonly SegmentSummary[],
  ): Promise<boolean> {
    // Those around too: they may be what came later.
    const open = nearSegments(slice, all).filter((meta) => !this.#known.has(meta));
    for (let at = 0; at < open.length; at += PORTION_SEGMENTS) {
      await this.#lookAt(run, open.slice(at, at + PORTION_SEGMENTS), all);
    }
    return slice.some((meta) => this.#known.get(meta) === true);
  }

  async #lookAt(
    run: QueryRun,
    open: readonly SegmentSummary[],
    all: readonly SegmentSummary[],
  ): Promise<void> {
    const { maxTraces, maxRows } = this.#limits;
    try {
      const split = await findSplitTraces(run, open, all, maxTraces);
      for (const { parts } of await tripledTraces(run, split, maxRows)) {
        for (const { meta } of parts) this.#known.set(meta, true);
      }
    } catch (error) {
      if (!isPintailError(error, "limited")) throw error;
      // Memory that the database lacks may be there the next time.
      if (error.retryAfterMs !== undefined) return;
    }
    for (const meta of open) if (!this.#known.has(meta)) this.#known.set(meta, false);
  }
}

/** Those of the split traces that have more than two spans of one id, copies not counted. */
async function tripledTraces(
  run: QueryRun,
  { traces: split, resident }: SplitTraces,
  maxRows: number,
): Promise<readonly SplitTrace[]> {
  if (split.length === 0) return [];
  const partStarts = await startsBySegment(run, split);
  const ids = await idTable(
    run,
    split.map(({ traceId }) => traceId),
  );
  try {
    const finder = new TripleFinder();
    await readParts(run, { partStarts, ids, split, resident }, finder, maxRows);
    return finder.found.map((traceNo) => split[traceNo]!);
  } finally {
    await ids[Symbol.asyncDispose]();
  }
}

/** The one of all queries of a context. */
export const splitTriplesOf = perContext(() => new SplitTriples());
