import type { ScratchTable } from "../../drivers/duckdb/scratch-table.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { QueryContext } from "../query-context.ts";
import { ofTracesSql } from "../segment-sql.ts";
import type { TraceKey } from "../trace-key.ts";
import { numberedRows, overlaidColumnsSql, storedColumnsSql } from "./overlay-sql.ts";
import { inRangesSql, type StartRange } from "./start-ranges.ts";

/** Columns that tell of the whole trace; the others tell of one span. */
export const TRACE_COLUMNS = [
  "trace_start",
  "trace_duration_ns",
  "root_service_name",
  "root_span_name",
] as const;
export const TREE_COLUMNS = [
  "nested_left",
  "nested_right",
  "nested_parent",
  "child_count",
] as const;

/** What the database holds of split traces while a query runs. */
export type OverlayTables = {
  /** `trace_id`, `trace_no` */
  readonly ids: ScratchTable;
  /** `trace_no`, `TRACE_COLUMNS` */
  readonly traces: ScratchTable;
  /** `row_id`, `trace_no`, `TREE_COLUMNS`: the traces' rows, each span once. */
  readonly rows: ScratchTable;
};

export type OverlayParts = {
  readonly context: Pick<QueryContext, "segmentPath" | "segmentFiles">;
  /** All that are to be read. */
  readonly segments: readonly SegmentSummary[];
  /** What the ids of a segment's rows begin with. */
  readonly numberOf: ReadonlyMap<SegmentSummary, number>;
  /** Whose rows of other traces are wanted too: all of them, or only of the traces with these keys. */
  readonly others:
    | { readonly type: "all"; readonly of: ReadonlySet<SegmentSummary> }
    | { readonly type: "traces"; readonly keys: ReadonlyMap<SegmentSummary, readonly TraceKey[]> };
  /** Where the parts that split traces have in a segment start, as stored there. */
  readonly partStarts: ReadonlyMap<SegmentSummary, readonly StartRange[]>;
  readonly splitTraceCount: number;
  readonly tables: OverlayTables | undefined;
};

/** What queries read of an overlay. */
export type OverlaySlice = Pick<TraceOverlay, "segments" | "isOverlaid" | "numberOf" | "from">;

/**
 * Rows of segments that can be judged trace by trace: where a trace lies in several segments, its
 * rows say of the trace (start, duration, root, nested sets, child counts) what they would if it
 * lay in one, its rows are all there, and a span that was stored twice is there once.
 *
 * A query reads `segments`, grouped as it likes, each group by one `SELECT … FROM ${from(group)}`,
 * and joins the SELECTs by UNION ALL: a trace's rows may come from several of them.
 */
export class TraceOverlay implements AsyncDisposable {
  readonly #parts: OverlayParts;

  constructor(parts: OverlayParts) {
    this.#parts = parts;
  }

  /**
   * The segments that the overlay was made for, in their order, then those that hold further parts
   * of their traces: of the latter `from` gives nothing but these parts.
   */
  get segments(): readonly SegmentSummary[] {
    return this.#parts.segments;
  }

  /** Traces whose columns were put together from several segments. */
  get splitTraceCount(): number {
    return this.#parts.splitTraceCount;
  }

  /**
   * Whether rows of the segment may differ from those stored in it. What the catalog knows of the
   * values of trace columns (`TRACE_COLUMNS`, `TREE_COLUMNS`) does not hold for these, so that no
   * condition on them rules the segment out.
   */
  isOverlaid(meta: SegmentSummary): boolean {
    return this.#parts.partStarts.has(meta);
  }

  /**
   * What to read these segments (one at least) from, in parentheses, to be given an alias or not:
   * all fixed columns, those optional ones that all of them have, and `row_id`, a BIGINT that no
   * other row of the overlay's segments has (upper half: the segment, lower half: the file's row).
   * A column costs nothing when it is not asked for. Throws for a segment that is not the overlay's.
   */
  from(segments: readonly SegmentSummary[]): string {
    const { context, others, tables } = this.#parts;
    const numbered = segments
      .map((meta) => ({ meta, number: this.numberOf(meta) }))
      .sort((a, b) => a.number - b.number);
    const read = (some: typeof numbered) => numberedRows(context, some);
    const columns = storedColumnsSql(segments);
    const selects: string[] = [];

    const plain = numbered.filter(({ meta }) => this.#hasOthers(meta) && !this.isOverlaid(meta));
    const mixed = numbered.filter(({ meta }) => this.#hasOthers(meta) && this.isOverlaid(meta));
    if (others.type === "traces") {
      const some = [...plain, ...mixed];
      const keys = some.flatMap(({ meta }) => others.keys.get(meta) ?? []);
      if (some.length > 0)
        selects.push(`SELECT ${columns}row_id FROM ${read(some)} WHERE ${ofTracesSql(keys)}`);
    } else {
      if (plain.length > 0) selects.push(`SELECT ${columns}row_id FROM ${read(plain)}`);
      if (mixed.length > 0 && tables !== undefined) {
        selects.push(
          `SELECT ${columns}row_id FROM ${read(mixed)} ANTI JOIN ${tables.ids.name} USING (trace_id)`,
        );
      }
    }
    const split = numbered.filter(({ meta }) => this.isOverlaid(meta));
    if (split.length > 0 && tables !== undefined) {
      const starts = split.flatMap(({ meta }) => this.#parts.partStarts.get(meta) ?? []);
      selects.push(`SELECT ${overlaidColumnsSql(segments)}stored.row_id
        FROM (SELECT * FROM ${read(split)} WHERE ${inRangesSql(starts)}) stored
        JOIN ${tables.rows.name} tree USING (row_id) JOIN ${tables.traces.name} trace USING (trace_no)`);
    }
    if (selects.length === 0) return `(SELECT ${columns}row_id FROM ${read(numbered)} WHERE false)`;
    return `(${selects.join(" UNION ALL ")})`;
  }

  /**
   * The same for some of the segments: all their rows, and of split traces all parts wherever they
   * lie, also of those without a part in these segments, so that a trace may come up again in
   * another slice. For queries that go through their segments slice by slice: made once, an overlay
   * serves them all. Row ids stay what they are; it lasts as long as this overlay.
   */
  sliced(segments: readonly SegmentSummary[]): OverlaySlice {
    const { others } = this.#parts;
    if (others.type !== "all") throw new Error("an overlay of chosen traces has no slices");
    const slice = new Set(segments);
    for (const meta of slice) this.numberOf(meta);
    const rest = [...this.#parts.partStarts.keys()].filter((meta) => !slice.has(meta));
    return new TraceOverlay({
      ...this.#parts,
      segments: [...slice, ...rest],
      others: { type: "all", of: new Set(segments.filter((meta) => others.of.has(meta))) },
    });
  }

  /** Never rejects; queries that read from the overlay must have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { tables } = this.#parts;
    if (tables === undefined) return;
    const { ids, traces, rows } = tables;
    await Promise.all([ids, traces, rows].map((table) => table[Symbol.asyncDispose]()));
  }

  #hasOthers(meta: SegmentSummary): boolean {
    const { others } = this.#parts;
    return others.type === "all" ? others.of.has(meta) : others.keys.has(meta);
  }

  /** The upper half of the ids of the segment's rows. Throws for one that is not the overlay's. */
  numberOf(meta: SegmentSummary): number {
    const number = this.#parts.numberOf.get(meta);
    if (number === undefined) throw new Error(`segment ${meta.id} is not of this overlay`);
    return number;
  }
}
