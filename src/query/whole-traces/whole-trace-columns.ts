import type { ScratchColumn } from "../../drivers/duckdb/scratch-table.ts";
import { nestedSets } from "../../storage/segments/nested-sets.ts";
import { orderSpans } from "../../storage/segments/span-order.ts";
import { traceSummaries } from "../../storage/segments/trace-summary.ts";
import { dropExtraCopies } from "./extra-copies.ts";
import { Growing } from "./growing.ts";
import { PartRows } from "./part-rows.ts";

/** Traces are worked out together until they have so many rows. */
const BATCH_ROWS = 8192;

/** Works out the columns of whole traces from their rows, as a segment's writer does. */
export class WholeTraceColumns {
  readonly #rowIdOf: (rank: number, rowNumber: number) => bigint;
  /** Rows not yet worked out. */
  #open = new PartRows();
  /** By trace. */
  readonly #start: BigInt64Array<ArrayBuffer>;
  readonly #duration: BigInt64Array<ArrayBuffer>;
  readonly #rootService: Uint8Array[];
  readonly #rootName: Uint8Array[];
  /** By row. */
  readonly #rowId = new Growing((length) => new BigInt64Array(length));
  readonly #traceNo = new Growing((length) => new Int32Array(length));
  readonly #left = new Growing((length) => new Int32Array(length));
  readonly #right = new Growing((length) => new Int32Array(length));
  readonly #parent = new Growing((length) => new Int32Array(length));
  readonly #childCount = new Growing((length) => new Int32Array(length));
  readonly #utf8 = new TextEncoder();

  constructor(traceCount: number, rowIdOf: (rank: number, rowNumber: number) => bigint) {
    this.#rowIdOf = rowIdOf;
    this.#start = new BigInt64Array(traceCount);
    this.#duration = new BigInt64Array(traceCount);
    const nothing = new Uint8Array(0);
    this.#rootService = new Array<Uint8Array>(traceCount).fill(nothing);
    this.#rootName = new Array<Uint8Array>(traceCount).fill(nothing);
  }

  /** Rows of a part: a trace's parts follow each other, by rank; then `endTrace`. */
  addPart(rows: PartRows, from: number, to: number, traceNo: number, rank: number): void {
    this.#open.addRows(rows, from, to, traceNo, rank);
  }

  endTrace(): void {
    if (this.#open.rowCount >= BATCH_ROWS) this.#work();
  }

  finish(): { traces: ScratchColumn[]; rows: ScratchColumn[] } {
    this.#work();
    const traceNo = Int32Array.from(this.#start, (_, i) => i);
    return {
      traces: [
        { name: "trace_no", type: "INTEGER", values: traceNo },
        { name: "trace_start", type: "TIMESTAMP_NS", values: this.#start },
        { name: "trace_duration_ns", type: "BIGINT", values: this.#duration },
        { name: "root_service_name", type: "VARCHAR", values: this.#rootService },
        { name: "root_span_name", type: "VARCHAR", values: this.#rootName },
      ],
      rows: [
        { name: "row_id", type: "BIGINT", values: this.#rowId.values() },
        { name: "trace_no", type: "INTEGER", values: this.#traceNo.values() },
        { name: "nested_left", type: "INTEGER", values: this.#left.values() },
        { name: "nested_right", type: "INTEGER", values: this.#right.values() },
        { name: "nested_parent", type: "INTEGER", values: this.#parent.values() },
        { name: "child_count", type: "INTEGER", values: this.#childCount.values() },
      ],
    };
  }

  #work(): void {
    const parts = this.#open;
    this.#open = new PartRows();
    const spans = parts.spans(dropExtraCopies(parts));
    const order = orderSpans(spans);
    const nested = nestedSets(spans, order);
    const summaries = traceSummaries(spans, order, (span) => spans.roots.has(span));
    for (let t = 0; t < order.traceCount; t++) {
      const no = spans.traceNos[order.traces[t]!]!;
      this.#start[no] = u64(order.traceStartLo, order.traceStartHi, t);
      this.#duration[no] = u64(summaries.durationLo, summaries.durationHi, t);
      const root = spans.roots.get(summaries.root[t]!);
      if (root !== undefined) {
        this.#rootService[no] = this.#utf8.encode(root.serviceName);
        this.#rootName[no] = this.#utf8.encode(root.name);
      }
      for (let row = order.traceRows[t]!; row < order.traceRows[t + 1]!; row++) {
        const span = order.spans[row]!;
        this.#rowId.push(this.#rowIdOf(spans.rank[span]!, spans.rowNumber[span]!));
        this.#traceNo.push(no);
        this.#left.push(nested.left[row]!);
        this.#right.push(nested.right[row]!);
        this.#parent.push(nested.parent[row]!);
        this.#childCount.push(nested.childCount[row]!);
      }
    }
  }
}

function u64(lo: Uint32Array, hi: Uint32Array, i: number): bigint {
  return (BigInt(hi[i]!) << 32n) | BigInt(lo[i]!);
}
