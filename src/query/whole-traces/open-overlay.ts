import type { ScratchTable } from "../../drivers/duckdb/scratch-table.ts";
import { PintailError } from "../../errors.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { QueryRun } from "../query-context.ts";
import type { TraceKey } from "../trace-key.ts";
import type { WholeTrace } from "../trace-parts.ts";
import { idTable } from "./id-table.ts";
import { OVERLAY_LIMITS, type OverlayLimits } from "./overlay-limits.ts";
import { startsBySegment } from "./part-starts.ts";
import { readWholeTraces } from "./read-whole-traces.ts";
import { findSplitTraces, type SplitTraces } from "./split-traces.ts";
import { TraceOverlay } from "./trace-overlay.ts";

/**
 * All rows of `slice`, and of the traces that have a part in it the other parts too, from the
 * segments of `all` (those of the tenant). Without split traces it costs little more than looking
 * for some. Rejects with `limited` beyond the limits. Whoever gets it disposes of it.
 */
export async function overlaySlice(
  run: QueryRun,
  slice: readonly SegmentSummary[],
  all: readonly SegmentSummary[],
  limits: OverlayLimits = OVERLAY_LIMITS,
): Promise<TraceOverlay> {
  const split = await findSplitTraces(run, slice, all, limits.maxTraces);
  const others = { type: "all", of: new Set(slice) } as const;
  return await openOverlay(run, slice, split, others, limits);
}

/**
 * The rows of these traces and of no others, wherever their parts lie: for the traces that a search
 * has found by less. `findTraceParts` gives them with all their parts.
 */
export async function overlayTraces(
  run: QueryRun,
  traces: readonly Pick<WholeTrace, "traceId" | "parts">[],
  limits: OverlayLimits = OVERLAY_LIMITS,
): Promise<TraceOverlay> {
  const split = traces.filter(({ parts }) => parts.length > 1);
  const keys = new Map<SegmentSummary, TraceKey[]>();
  for (const { traceId, parts } of traces) {
    const [part, ...more] = parts;
    if (part === undefined || more.length > 0) continue;
    const known = keys.get(part.meta);
    const key = { traceId, startUnixNano: part.startUnixNano };
    if (known === undefined) keys.set(part.meta, [key]);
    else known.push(key);
  }
  const chosen = { traces: split, resident: new Map() };
  return await openOverlay(run, [...keys.keys()], chosen, { type: "traces", keys }, limits);
}

async function openOverlay(
  run: QueryRun,
  slice: readonly SegmentSummary[],
  { traces: split, resident }: SplitTraces,
  others: ConstructorParameters<typeof TraceOverlay>[0]["others"],
  limits: OverlayLimits,
): Promise<TraceOverlay> {
  if (split.length > limits.maxTraces) {
    throw new PintailError(
      "limited",
      `${split.length} traces of ${limits.maxTraces} lie in several segments`,
    );
  }
  const { context } = run;
  const partStarts = await startsBySegment(run, split);
  const segments = [...new Set([...slice, ...partStarts.keys()])];
  const numberOf = new Map(segments.map((meta, number) => [meta, number]));
  const base = { context, segments, numberOf, others, partStarts, splitTraceCount: split.length };
  if (split.length === 0) return new TraceOverlay({ ...base, tables: undefined });

  const made: ScratchTable[] = [];
  const make = async (table: Promise<ScratchTable>): Promise<ScratchTable> => {
    made.push(await table);
    return await table;
  };
  try {
    const ids = await make(
      idTable(
        run,
        Array.from(split, ({ traceId }) => traceId),
      ),
    );
    const whole = await readWholeTraces(
      run,
      { segments, partStarts, ids, split, resident },
      limits.maxRows,
    );
    const traces = await make(run.scratchTable(whole.traces));
    const rows = await make(run.scratchTable(whole.rows));
    return new TraceOverlay({ ...base, tables: { ids, traces, rows } });
  } catch (e) {
    for (const table of made) await table[Symbol.asyncDispose]();
    throw e;
  }
}
