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
  const words = new Uint32Array(spanId.buffer, spanId.byteOffset, 2 * rowCount);
  const kind = parts.kind.values();
  const order = Uint32Array.from(traceNo, (_, row) => row);
  const byIdentity = (a: number, b: number): number =>
    words[2 * a + 1]! - words[2 * b + 1]! ||
    words[2 * a]! - words[2 * b]! ||
    kind[a]! - kind[b]! ||
    a - b;
  const dropped = new Uint8Array(rowCount);
  for (let from = 0, to = 0; from < rowCount; from = to) {
    while (to < rowCount && traceNo[to] === traceNo[from]) to++;
    const ofTrace = order.subarray(from, to).sort(byIdentity);
    for (let first = 0, end = 0; first < ofTrace.length; first = end) {
      const row = ofTrace[first]!;
      while (end < ofTrace.length && isSame(row, ofTrace[end]!)) end++;
      if (end - first > 1) keepOneSegments(parts, ofTrace.subarray(first, end), dropped);
    }
  }
  return Uint32Array.from(traceNo, (_, row) => row).filter((row) => dropped[row] === 0);

  function isSame(a: number, b: number): boolean {
    return spanId[a] === spanId[b] && kind[a] === kind[b];
  }
}

function keepOneSegments(parts: PartRows, copies: Uint32Array, dropped: Uint8Array): void {
  const start = parts.start.values();
  const end = parts.end.values();
  const rank = parts.rank.values();
  let owner = copies[0]!;
  for (const row of copies) {
    const earlier =
      start[row] === start[owner] ? end[row]! < end[owner]! : start[row]! < start[owner]!;
    if (earlier) owner = row;
  }
  for (const row of copies) if (rank[row] !== rank[owner]) dropped[row] = 1;
}
