import { AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import type { StringTable } from "../../model/string-table.ts";
import type { SpanOrder } from "./span-order.ts";
import { type TraceSummaries, traceSummaries } from "./trace-summary.ts";

/** What each of the segment's traces repeats on its rows, beside `trace_start`. */
export type TraceColumns = TraceSummaries & {
  /** String ids; 0 without a root. */
  readonly rootService: Uint32Array;
  readonly rootName: Uint32Array;
};

/** `serviceOf` gives the service name's string id of a resource. */
export function traceColumns(
  batch: SpanBatch,
  order: SpanOrder,
  serviceOf: Uint32Array,
): TraceColumns {
  const summaries = traceSummaries(batch, order, (span) => isTraceRoot(batch, span));
  const rootService = new Uint32Array(order.traceCount);
  const rootName = new Uint32Array(order.traceCount);
  for (let t = 0; t < order.traceCount; t++) {
    const root = summaries.root[t]!;
    if (root < 0) continue;
    rootService[t] = serviceOf[batch.resource[root]!]!;
    rootName[t] = batch.name[root]!;
  }
  return { ...summaries, rootService, rootName };
}

/**
 * A span without parent id, unless a link to its own trace says that it is a child (OpenTracing
 * bridges write such links instead of a parent id).
 */
function isTraceRoot(batch: SpanBatch, span: number): boolean {
  if (batch.parentSpanId[2 * span] !== 0 || batch.parentSpanId[2 * span + 1] !== 0) return false;
  const own = 16 * batch.traceIndex[span]!;
  for (let link = batch.linkOffsets[span]!; link < batch.linkOffsets[span + 1]!; link++) {
    let same = true;
    for (let i = 0; i < 16 && same; i++) {
      same = batch.linkTraceId[16 * link + i] === batch.traceIds[own + i];
    }
    if (same && isChildOfLink(batch, link)) return false;
  }
  return true;
}

const REF_TYPE = new TextEncoder().encode("opentracing.ref_type");
const CHILD_OF = new TextEncoder().encode("child_of");

function isChildOfLink(batch: SpanBatch, link: number): boolean {
  const { offsets, keys, types, values } = batch.linkAttributes;
  // From the end: the last of equal keys counts.
  for (let i = offsets[link + 1]! - 1; i >= offsets[link]!; i--) {
    if (!isText(batch.strings, keys[i]!, REF_TYPE)) continue;
    return types[i] === AttributeType.string && isText(batch.strings, values[2 * i]!, CHILD_OF);
  }
  return false;
}

export function isText(strings: StringTable, id: number, bytes: Uint8Array): boolean {
  const { heap, offsets } = strings;
  const start = offsets[id]!;
  if (offsets[id + 1]! - start !== bytes.length) return false;
  for (let i = 0; i < bytes.length; i++) if (heap[start + i] !== bytes[i]) return false;
  return true;
}
