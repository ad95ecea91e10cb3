import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { QueryRun } from "../query-context.ts";
import { RowsToSpans, storedColumns } from "../rows-to-spans.ts";
import { columnListSql, readSegments } from "../segment-sql.ts";
import { attributesBytes, estimateSpanBytes } from "../span-size.ts";
import type { InstrumentationScope, Resource, StoredSpan } from "../trace.ts";

/**
 * The spans of the rows that fulfil `where`, a span that is stored several times only once, segment
 * after segment. `undefined` when they take more than about `maxBytes`; no more of them is read then.
 */
export async function storedSpans(
  run: QueryRun,
  segments: readonly SegmentSummary[],
  where: string,
  maxBytes: number,
): Promise<StoredSpan[] | undefined> {
  const reader = new RowsToSpans();
  const spans: StoredSpan[] = [];
  const seen = new Set<string>();
  const owners = new Set<Resource | InstrumentationScope>();
  let bytes = 0;
  const add = (stored: StoredSpan): void => {
    const { traceId, spanId, kind } = stored.span;
    const identity = `${traceId} ${spanId} ${kind}`;
    if (seen.has(identity)) return;
    seen.add(identity);
    spans.push(stored);
    bytes += estimateSpanBytes(stored);
    for (const owner of [stored.resource, stored.scope]) {
      if (owners.has(owner)) continue;
      owners.add(owner);
      bytes += attributesBytes(owner.attributes);
    }
  };
  for (const meta of segments) {
    const names = storedColumns(meta);
    const statement = `SELECT ${columnListSql(names)} FROM ${readSegments(run.context, [meta])}
      WHERE ${where}`;
    await run.chunks(statement, (chunk) => {
      for (const stored of reader.read(chunk, names)) add(stored);
      return bytes <= maxBytes;
    });
    if (bytes > maxBytes) return undefined;
  }
  return spans;
}
