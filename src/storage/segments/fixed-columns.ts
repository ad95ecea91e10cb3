import type { SpanBatch } from "../../model/span-batch.ts";
import { EXACT_TIME_COLUMNS, FIXED_COLUMNS, type FixedColumnName } from "../../schema/columns.ts";
import type { NestedSets } from "./nested-sets.ts";
import type { LeafColumn, LeafPresence, LeafValues } from "./parquet/leaf-column.ts";
import { numberDomain, uuidDomain, type ValueDomain } from "./parquet/value-domain.ts";
import { isAfterTimeMax, type SpanOrder, TIME_MAX_HI, TIME_MAX_LO } from "./span-order.ts";
import type { TraceColumns } from "./trace-columns.ts";

export type FixedColumnInput = {
  readonly batch: SpanBatch;
  readonly order: SpanOrder;
  readonly traceIds: Uint8Array;
  readonly traces: TraceColumns;
  readonly nested: NestedSets;
  readonly strings: ValueDomain;
  readonly serviceOf: Uint32Array;
  readonly resourceOfRow: Uint32Array;
  readonly scopeOfRow: Uint32Array;
  readonly maxGroupRows: number;
};

/** Numbers below this are their own dictionary ids. */
const MAX_IDENTITY = 1 << 16;

/** The columns of `FIXED_COLUMNS`, in their order. Values are gathered per row group. */
export function fixedColumns(input: FixedColumnInput): LeafColumn[] {
  const { batch, order, traces, nested, strings } = input;
  const { spans, traceCount } = order;
  const scratch = new Uint32Array(2 * input.maxGroupRows);
  const traceOfRow = new Uint32Array(order.rowCount);
  for (let t = 0; t < traceCount; t++) {
    traceOfRow.fill(t, order.traceRows[t], order.traceRows[t + 1]);
  }

  const via = (indexes: Uint32Array, source: Uint32Array) => (from: number, to: number) => {
    for (let row = from; row < to; row++) scratch[row - from] = source[indexes[row]!]!;
    return scratch;
  };
  const text = (indexes: Uint32Array, source: Uint32Array, count: number): LeafValues => ({
    kind: "coded",
    domain: strings,
    constant: constantOf(source, count),
    read: via(indexes, source),
  });
  const perTrace = (domain: ValueDomain): LeafValues => ({
    kind: "coded",
    domain,
    read: (from, to) => traceOfRow.subarray(from, to),
  });
  const number = (indexes: Uint32Array, source: Uint32Array, count: number): LeafValues => {
    const domain = identityDomain(source, count, 0);
    const read = via(indexes, source);
    if (domain === undefined) return { kind: "narrow", read };
    return { kind: "coded", domain, constant: constantOf(source, count), read };
  };
  const signed = (source: Int32Array) => asUnsigned(source);
  const byRow = (source: Int32Array): LeafValues => {
    // Ids are the values plus one, as nested_parent may be -1.
    const domain = identityDomain(signed(source), order.rowCount, 1);
    if (domain === undefined) {
      return { kind: "narrow", read: (from, to) => signed(source).subarray(from, to) };
    }
    const read = (from: number, to: number) => {
      for (let row = from; row < to; row++) scratch[row - from] = source[row]! + 1;
      return scratch;
    };
    return { kind: "coded", domain, read };
  };
  const wide = (fill: (span: number, at: number, out: Uint32Array) => void): LeafValues => ({
    kind: "wide",
    read(from, to) {
      for (let row = from; row < to; row++) fill(spans[row]!, 2 * (row - from), scratch);
      return scratch;
    },
  });
  const spanText = (source: Uint32Array) => text(spans, source, batch.spanCount);
  const traceText = (source: Uint32Array) => text(traceOfRow, source, traceCount);
  const resourceText = (source: Uint32Array) =>
    text(input.resourceOfRow, source, batch.resourceCount);
  const scopeText = (source: Uint32Array) => text(input.scopeOfRow, source, batch.scopeCount);
  const spanNumber = (source: Uint32Array) => number(spans, source, batch.spanCount);
  const resourceNumber = (source: Uint32Array) =>
    number(input.resourceOfRow, source, batch.resourceCount);
  const starts = numberDomain(order.traceStartLo, order.traceStartHi, traceCount, "i64");
  const durations = numberDomain(traces.durationLo, traces.durationHi, traceCount, "i64");
  const parents = parentColumn(batch, spans, scratch);

  const values: Record<FixedColumnName, LeafValues> = {
    trace_id: perTrace(uuidDomain(input.traceIds, traceCount)),
    span_id: wide((span, at, out) => copyPair(batch.spanId, span, at, out)),
    parent_span_id: parents.values,
    trace_start: perTrace(starts),
    start_time: wide((span, at, out) => storedStart(batch, span, at, out)),
    duration_ns: wide((span, at, out) => storedDuration(batch, span, at, out)),
    service_name: resourceText(input.serviceOf),
    name: spanText(batch.name),
    kind: spanNumber(signed(batch.kind)),
    status: spanNumber(signed(batch.status)),
    status_message: spanText(batch.statusMessage),
    trace_duration_ns: perTrace(durations),
    root_service_name: traceText(traces.rootService),
    root_span_name: traceText(traces.rootName),
    nested_left: byRow(nested.left),
    nested_right: byRow(nested.right),
    nested_parent: byRow(nested.parent),
    child_count: byRow(nested.childCount),
    scope_name: scopeText(batch.scopeName),
    scope_version: scopeText(batch.scopeVersion),
    trace_state: spanText(batch.traceState),
    flags: spanNumber(batch.flags),
    dropped_attributes_count: spanNumber(batch.droppedAttributes),
    dropped_events_count: spanNumber(batch.droppedEvents),
    dropped_links_count: spanNumber(batch.droppedLinks),
    resource_dropped_attributes_count: resourceNumber(batch.resourceDropped),
    resource_schema_url: resourceText(batch.resourceSchemaUrl),
    scope_dropped_attributes_count: number(input.scopeOfRow, batch.scopeDropped, batch.scopeCount),
    scope_schema_url: scopeText(batch.scopeSchemaUrl),
  };
  return FIXED_COLUMNS.map(({ name, type, nullable }) => ({
    path: [name],
    type,
    presence: nullable ? parents.presence : { kind: "all" },
    values: values[name],
    bloom: BLOOM_COLUMNS.has(name),
    random: name === "span_id",
  }));
}

const BLOOM_COLUMNS: ReadonlySet<FixedColumnName> = new Set(["trace_id", "service_name", "name"]);

function parentColumn(
  batch: SpanBatch,
  spans: Uint32Array,
  scratch: Uint32Array,
): { presence: LeafPresence; values: LeafValues } {
  const { parentSpanId } = batch;
  const rows = rowsWhere(
    spans,
    (span) => (parentSpanId[2 * span]! | parentSpanId[2 * span + 1]!) !== 0,
  );
  const read = (from: number, to: number) => {
    for (let i = from; i < to; i++)
      copyPair(parentSpanId, spans[rows[i]!]!, 2 * (i - from), scratch);
    return scratch;
  };
  return { presence: { kind: "some", rows }, values: { kind: "wide", read } };
}

/** The exact time columns; none when `start_time` and `duration_ns` hold all times exactly. */
export function exactTimeColumns(batch: SpanBatch, order: SpanOrder): LeafColumn[] {
  const { spans } = order;
  if (!hasLateTimes(batch)) return [];
  const rows = rowsWhere(spans, (span) => needsExactTimes(batch, span));
  if (rows.length === 0) return [];
  return EXACT_TIME_COLUMNS.map((name) => {
    const source = name === "start_unix_nano" ? batch.start : batch.end;
    const read = (from: number, to: number) => {
      const out = new Uint32Array(2 * (to - from));
      for (let i = from; i < to; i++) copyPair(source, spans[rows[i]!]!, 2 * (i - from), out);
      return out;
    };
    return {
      path: [name],
      type: "UBIGINT",
      presence: { kind: "some", rows },
      values: { kind: "wide", read },
      bloom: false,
      random: false,
    };
  });
}

function rowsWhere(spans: Uint32Array, test: (span: number) => boolean): Uint32Array {
  const rows = new Uint32Array(spans.length);
  let count = 0;
  for (let row = 0; row < spans.length; row++) if (test(spans[row]!)) rows[count++] = row;
  return rows.subarray(0, count);
}

/** False for all but strange batches: then no span needs exact times. */
function hasLateTimes({ start, end, spanCount }: SpanBatch): boolean {
  for (let i = 1; i < 2 * spanCount; i += 2) {
    if (start[i]! >= TIME_MAX_HI || end[i]! >= 0x80000000) return true;
  }
  return false;
}

function needsExactTimes({ start, end }: SpanBatch, span: number): boolean {
  const startHi = start[2 * span + 1]!;
  // Both before 2^63 and the start not clamped: the difference fits an int64.
  if (startHi < TIME_MAX_HI && end[2 * span + 1]! < 0x80000000) return false;
  if (isAfterTimeMax(start[2 * span]!, startHi)) return true;
  const high = durationHigh(start, end, span);
  return high < -0x80000000 || high > 0x7fffffff;
}

function copyPair(source: Uint32Array, from: number, at: number, out: Uint32Array): void {
  out[at] = source[2 * from]!;
  out[at + 1] = source[2 * from + 1]!;
}

function storedStart({ start }: SpanBatch, span: number, at: number, out: Uint32Array): void {
  const lo = start[2 * span]!;
  const hi = start[2 * span + 1]!;
  const late = hi >= TIME_MAX_HI && isAfterTimeMax(lo, hi);
  out[at] = late ? TIME_MAX_LO : lo;
  out[at + 1] = late ? TIME_MAX_HI : hi;
}

/** The upper half of end minus start, a signed number of up to 33 bits. */
function durationHigh(start: Uint32Array, end: Uint32Array, span: number): number {
  const borrow = end[2 * span]! < start[2 * span]! ? 1 : 0;
  return end[2 * span + 1]! - start[2 * span + 1]! - borrow;
}

function storedDuration(
  { start, end }: SpanBatch,
  span: number,
  at: number,
  out: Uint32Array,
): void {
  const high = durationHigh(start, end, span);
  if (high > 0x7fffffff) {
    out[at] = 0xffffffff;
    out[at + 1] = 0x7fffffff;
  } else if (high < -0x80000000) {
    out[at] = 0;
    out[at + 1] = 0x80000000;
  } else {
    out[at] = end[2 * span]! - start[2 * span]!;
    out[at + 1] = high;
  }
}

/** The one id that all of `source` has, if so. Ids of rows not used may only hide that. */
function constantOf(source: Uint32Array, count: number): number | undefined {
  for (let i = 1; i < count; i++) if (source[i] !== source[0]) return undefined;
  return source[0];
}

function asUnsigned(source: Int32Array): Uint32Array {
  return new Uint32Array(source.buffer, source.byteOffset, source.length);
}

/** A domain in which id `i` is the number `i - shift`; undefined when some number is too large. */
function identityDomain(
  numbers: Uint32Array,
  count: number,
  shift: 0 | 1,
): ValueDomain | undefined {
  let max = 0;
  for (let i = 0; i < count; i++) {
    const id = (numbers[i]! + shift) >>> 0;
    if (id > max) max = id;
  }
  if (max >= MAX_IDENTITY) return undefined;
  const lo = new Uint32Array(max + 1);
  for (let id = 0; id <= max; id++) lo[id] = id - shift;
  return numberDomain(lo, lo, max + 1, shift === 1 ? "i32" : "u32");
}
