import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { QueryRun } from "../query-context.ts";
import type { SplitTrace } from "./split-traces.ts";
import { rangesOfStarts, type StartRange } from "./start-ranges.ts";

/** Where the parts of the traces start, in each segment that has some. */
export async function startsBySegment(
  run: QueryRun,
  split: readonly SplitTrace[],
): Promise<Map<SegmentSummary, StartRange[]>> {
  const starts = new Map<SegmentSummary, bigint[]>();
  await run.forEach(split, ({ parts }) => {
    for (const { meta, startUnixNano } of parts) {
      const known = starts.get(meta);
      if (known === undefined) starts.set(meta, [startUnixNano]);
      else known.push(startUnixNano);
    }
  });
  const ranges = new Map<SegmentSummary, StartRange[]>();
  await run.forEach([...starts], ([meta, list]) => ranges.set(meta, rangesOfStarts(list)));
  return ranges;
}
