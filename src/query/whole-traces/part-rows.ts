import type { SqlValue } from "../../drivers/duckdb/database.ts";
import type { SpanLinks } from "../../storage/segments/nested-sets.ts";
import type { OrderedSpans } from "../../storage/segments/span-order.ts";
import type { SpanTimes } from "../../storage/segments/trace-summary.ts";
import { Growing } from "./growing.ts";

export type RootNames = { readonly serviceName: string; readonly name: string };

/** Rows as those who write segments have them, and where each comes from. */
export type PartSpans = OrderedSpans &
  SpanLinks &
  SpanTimes & {
    readonly rank: Int32Array;
    readonly rowNumber: Int32Array;
    /** Spans that may be their trace's root. */
    readonly roots: ReadonlyMap<number, RootNames>;
    /** By `traceIndex`. */
    readonly traceNos: Int32Array;
  };

/**
 * Rows of parts of traces, in any order that keeps a trace's together and in the order of segments
 * and files. A trace has a number; a segment its rank among those whose rows are here.
 */
export class PartRows {
  readonly traceNo = new Growing((length) => new Int32Array(length));
  readonly rank = new Growing((length) => new Int32Array(length));
  readonly rowNumber = new Growing((length) => new Int32Array(length));
  readonly spanId = new Growing((length) => new BigUint64Array(length));
  readonly parentSpanId = new Growing((length) => new BigUint64Array(length));
  readonly kind = new Growing((length) => new Int32Array(length));
  readonly start = new Growing((length) => new BigUint64Array(length));
  readonly end = new Growing((length) => new BigUint64Array(length));
  readonly roots = new Map<number, RootNames>();

  get rowCount(): number {
    return this.traceNo.length;
  }

  /** What `narrowColumnsSql` gives. */
  addNarrow(
    columns: readonly (readonly SqlValue[])[],
    row: number,
    traceNo: number,
    rank: number,
  ): void {
    const [rowNumber, spanId, parentId, kind, start, end, service, name] = columns;
    if (service![row] !== null) {
      const names = { serviceName: service![row] as string, name: name![row] as string };
      this.roots.set(this.rowCount, names);
    }
    this.traceNo.push(traceNo);
    this.rank.push(rank);
    this.rowNumber.push(rowNumber![row] as number);
    this.spanId.push(spanId![row] as bigint);
    this.parentSpanId.push(parentId![row] as bigint);
    this.kind.push(kind![row] as number);
    this.start.push(start![row] as bigint);
    this.end.push(end![row] as bigint);
  }

  /** Rows `from` to `to` of others, as rows of this trace and segment. */
  addRows(rows: PartRows, from: number, to: number, traceNo: number, rank: number): void {
    if (rows.roots.size > 0) {
      for (let row = from; row < to; row++) {
        const names = rows.roots.get(row);
        if (names !== undefined) this.roots.set(this.rowCount + row - from, names);
      }
    }
    for (let row = from; row < to; row++) {
      this.traceNo.push(traceNo);
      this.rank.push(rank);
    }
    this.rowNumber.pushAll(rows.rowNumber.values().subarray(from, to));
    this.spanId.pushAll(rows.spanId.values().subarray(from, to));
    this.parentSpanId.pushAll(rows.parentSpanId.values().subarray(from, to));
    this.kind.pushAll(rows.kind.values().subarray(from, to));
    this.start.pushAll(rows.start.values().subarray(from, to));
    this.end.pushAll(rows.end.values().subarray(from, to));
  }

  /** Gives back the room that was made for more rows. */
  trim(): void {
    const { traceNo, rank, rowNumber, spanId, parentSpanId, kind, start, end } = this;
    for (const column of [traceNo, rank, rowNumber, spanId, parentSpanId, kind, start, end]) {
      column.trim();
    }
  }

  /** The rows of these numbers, in order. */
  spans(rows: Uint32Array): PartSpans {
    const traceNo = this.traceNo.values();
    const traceIndex = new Uint32Array(rows.length);
    const traceNos: number[] = [];
    const roots = new Map<number, RootNames>();
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const no = traceNo[row]!;
      if (traceNos.at(-1) !== no) traceNos.push(no);
      traceIndex[i] = traceNos.length - 1;
      const names = this.roots.get(row);
      if (names !== undefined) roots.set(i, names);
    }
    return {
      spanCount: rows.length,
      traceCount: traceNos.length,
      traceIndex,
      // How traces are ordered among each other does not matter here.
      traceIds: new Uint8Array(16 * traceNos.length),
      spanId: words(this.spanId.values(), rows),
      parentSpanId: words(this.parentSpanId.values(), rows),
      kind: picked(this.kind.values(), rows),
      start: words(this.start.values(), rows),
      end: words(this.end.values(), rows),
      rank: picked(this.rank.values(), rows),
      rowNumber: picked(this.rowNumber.values(), rows),
      roots,
      traceNos: Int32Array.from(traceNos),
    };
  }
}

/** As pairs of (lo, hi), which is how they lie in memory. */
function words(values: BigUint64Array, rows: Uint32Array): Uint32Array<ArrayBuffer> {
  const source = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
  const target = new Uint32Array(2 * rows.length);
  for (let i = 0; i < rows.length; i++) {
    target[2 * i] = source[2 * rows[i]!]!;
    target[2 * i + 1] = source[2 * rows[i]! + 1]!;
  }
  return target;
}

function picked(values: Int32Array, rows: Uint32Array): Int32Array<ArrayBuffer> {
  const target = new Int32Array(rows.length);
  for (let i = 0; i < rows.length; i++) target[i] = values[rows[i]!]!;
  return target;
}
