import type { PartRows } from "./part-rows.ts";

/**
 * The rows to keep, in order: of a span (trace, id, kind) that lies in several segments, as a
 * sender's retry leaves it, only those of the segment whose copy starts first, then ends first,
 * then comes first. What is twice in one segment stays so, as it does in a trace of one segment.
 */
export function dropExtraCopies(parts: PartRows): Uint32Array {
  const { rowCount } = parts;
  const traceNo = parts.traceNo.values();
  const spanId = parts.spanId.values();
  const kind = parts.kind.values();
  const start = parts.start.values();
  const end = parts.end.values();
  const rank = parts.rank.values();
  const dropped = new Uint8Array(rowCount);
  const order = Uint32Array.from({ length: rowCount }, (_, row) => row).sort(
    (a, b) =>
      traceNo[a]! - traceNo[b]! ||
      compare(spanId[a]!, spanId[b]!) ||
      kind[a]! - kind[b]! ||
      compare(start[a]!, start[b]!) ||
      compare(end[a]!, end[b]!) ||
      a - b,
  );
  let droppedCount = 0;
  for (let i = 0, first = 0; i < rowCount; i++) {
    const row = order[i]!;
    const owner = order[first]!;
    const same =
      traceNo[row] === traceNo[owner] && spanId[row] === spanId[owner] && kind[row] === kind[owner];
    if (!same) first = i;
    else if (rank[row] !== rank[owner]) {
      dropped[row] = 1;
      droppedCount++;
    }
  }
  const kept = new Uint32Array(rowCount - droppedCount);
  for (let row = 0, at = 0; row < rowCount; row++) if (dropped[row] === 0) kept[at++] = row;
  return kept;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
