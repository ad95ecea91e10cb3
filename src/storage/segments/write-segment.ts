import type { SpanBatch } from "../../model/span-batch.ts";
import { FIXED_COLUMNS, TIME_MAX_UNIX_NANO } from "../../schema/columns.ts";
import type { KeyStats, SegmentMeta, WalRange } from "../../schema/segment-meta.ts";
import { base64Encode } from "../../util/base64.ts";
import { freeArrays } from "../../util/free-buffer.ts";
import {
  CHECKSUMS_KEY,
  encodeChecksums,
  FOOTER_CHECKSUM_KEY,
  fillFooterChecksum,
  NO_CHECKSUM,
} from "./checksums.ts";
import { exactTimeColumns, fixedColumns } from "./fixed-columns.ts";
import { intrinsicStats, serviceCounts } from "./intrinsic-stats.ts";
import { nestedSets } from "./nested-sets.ts";
import { ChunkWriter } from "./parquet/column-chunk.ts";
import { FileSink } from "./parquet/file-sink.ts";
import {
  encodeFooter,
  type FileDescription,
  MAGIC,
  type RowGroup,
  writeBloomFilters,
} from "./parquet/footer.ts";
import type { LeafColumn } from "./parquet/leaf-column.ts";
import { leafNode, Repetition, type SchemaNode } from "./parquet/schema.ts";
import { stringDomain } from "./parquet/value-domain.ts";
import { rowGroupMetas, rowGroupStarts } from "./row-groups.ts";
import { segmentAttributes, serviceNames } from "./segment-attributes.ts";
import {
  fillByteSize,
  SEGMENT_FORMAT_VERSION,
  SEGMENT_KEY,
  segmentMetaJson,
  TRACE_FILTER_KEY,
} from "./segment-footer.ts";
import { orderSpans } from "./span-order.ts";
import { eventsColumn, linksColumn } from "./struct-lists.ts";
import { traceColumns } from "./trace-columns.ts";
import { buildTraceFilter } from "./trace-filter.ts";
import { ValueCounter } from "./value-counts.ts";
import { numberServices, ServiceSets } from "./value-services.ts";

/** A little more than usual, so that most small files need one buffer. */
const EXPECTED_BYTES_PER_ROW = 64;

export type WriteSegmentOptions = {
  /** ULID of the new segment; also seeds the hash tables. */
  readonly id: string;
  readonly tenant: string;
  readonly level: number;
  readonly walRange: WalRange | undefined;
  readonly replaces: readonly string[];
  /** See `SegmentIdentity`. */
  readonly retentionClass?: string | undefined;
  readonly usedKeys?: readonly string[] | undefined;
  readonly createdUnixMs: number;
  readonly zstdLevel: number;
  /** Rows of a row group at most, except that a trace is not split among groups if it fits one. */
  readonly rowGroupRows: number;
};

/**
 * Writes the batch's spans (at least one) as a Parquet file: the concatenation of `chunks`, no two of
 * which share a buffer. Pure and synchronous; costs a few µs a span (`bench/segment.ts`). The batch
 * is not changed.
 */
export function writeSegment(
  batch: SpanBatch,
  options: WriteSegmentOptions,
): { chunks: Uint8Array<ArrayBuffer>[]; meta: SegmentMeta } {
  if (batch.spanCount === 0) throw new Error("a segment needs at least one span");
  const order = orderSpans(batch);
  const serviceOf = serviceNames(batch);
  const traces = traceColumns(batch, order, serviceOf);
  const nested = nestedSets(batch, order);
  const strings = stringDomain(batch.strings);
  const counter = new ValueCounter(batch.strings);
  const resources = ownersByRow(order.spans, batch.resource, batch.resourceCount);
  const scopes = ownersByRow(order.spans, batch.scope, batch.scopeCount);
  const listedServices = serviceCounts(counter, serviceOf, resources.counts);
  const services = numberServices(listedServices, serviceOf, resources.ofRow);
  const serviceSets = services && new ServiceSets(services, batch.strings.count);
  const traceIds = orderedTraceIds(batch.traceIds, order.traces);
  const starts = rowGroupStarts(order, options.rowGroupRows);
  const shared = {
    batch,
    order,
    strings,
    serviceOf,
    resourceOfRow: resources.ofRow,
    scopeOfRow: scopes.ofRow,
  };

  const attributes = segmentAttributes({
    ...shared,
    spansOfResource: resources.counts,
    spansOfScope: scopes.counts,
    counter,
    services,
    serviceSets,
    seed: seedOf(options.id),
    usedKeys: new Set(options.usedKeys),
  });
  const maxGroupRows = Math.max(...starts.slice(1).map((end, g) => end - starts[g]!));
  const fixed = fixedColumns({ ...shared, traceIds, traces, nested, maxGroupRows });
  const exactTimes = exactTimeColumns(batch, order);
  const lists = [];
  if (batch.eventOffsets[batch.spanCount]! > 0)
    lists.push(eventsColumn(batch, order.spans, strings));
  if (batch.linkOffsets[batch.spanCount]! > 0) lists.push(linksColumn(batch, order.spans, strings));

  const flat = [...fixed, ...attributes.dedicated, ...exactTimes];
  const nestedColumns = [...attributes.maps, ...lists];
  const leaves = [...flat, ...nestedColumns.flatMap((column) => column.leaves)];
  const schema = [...flat.map(flatNode), ...nestedColumns.map((column) => column.node)];

  const file = new FileSink(order.rowCount * EXPECTED_BYTES_PER_ROW);
  file.append(MAGIC);
  const rowGroups = writeRowGroups(file, leaves, starts, options.zstdLevel);
  const intrinsics = intrinsicStats({
    ...shared,
    traces,
    serviceNames: listedServices.counts,
    spansOfScope: scopes.counts,
    counter,
    services,
    serviceSets,
  });
  const maxEnd = (BigInt(traces.maxEndHi) << 32n) | BigInt(traces.maxEndLo);
  const groupMetas = rowGroupMetas(order, starts);
  const meta: SegmentMeta = {
    id: options.id,
    tenant: options.tenant,
    formatVersion: SEGMENT_FORMAT_VERSION,
    level: options.level,
    rowCount: order.rowCount,
    traceCount: order.traceCount,
    byteSize: 0,
    minTraceStart: groupMetas[groupMetas.length - 1]!.minTraceStart,
    maxTraceStart: groupMetas[0]!.maxTraceStart,
    maxEnd: maxEnd > TIME_MAX_UNIX_NANO ? TIME_MAX_UNIX_NANO : maxEnd,
    rowGroups: groupMetas,
    optionalColumns: schema.slice(FIXED_COLUMNS.length).map((node) => node.name),
    keys: sortedStats([...intrinsics, ...attributes.stats]),
    walRange: options.walRange,
    replaces: options.replaces,
    createdUnixMs: options.createdUnixMs,
    traceFilter: buildTraceFilter(traceIds, order.traceCount),
    ...(options.retentionClass === undefined ? {} : { retentionClass: options.retentionClass }),
  };
  const byteSize = writeFooter(file, schema, rowGroups, meta);
  // The largest of what only this file needed: V8 would collect the whole heap for it.
  freeArrays(nested.left, nested.right, nested.parent, nested.childCount);
  freeArrays(order.spans, resources.ofRow, scopes.ofRow, traceIds);
  if (services !== undefined) freeArrays(services.ofRow);
  return { chunks: file.finish(), meta: { ...meta, byteSize } };
}

function writeRowGroups(
  file: FileSink,
  leaves: readonly LeafColumn[],
  starts: readonly number[],
  zstdLevel: number,
): RowGroup[] {
  const writer = new ChunkWriter(file, zstdLevel);
  const groups: RowGroup[] = [];
  for (let g = 0; g + 1 < starts.length; g++) {
    const first = starts[g]!;
    const last = starts[g + 1]!;
    const { offset } = file;
    const chunks = leaves.map((leaf) => writer.write(leaf, first, last));
    groups.push({ rowCount: last - first, offset, chunks });
  }
  return groups;
}

/** Writes everything behind the row groups; returns the size of the file. */
function writeFooter(
  file: FileSink,
  schema: readonly SchemaNode[],
  rowGroups: readonly RowGroup[],
  meta: SegmentMeta,
): number {
  const blooms = writeBloomFilters(file, rowGroups, "trace_id");
  const json = new TextEncoder().encode(segmentMetaJson(meta));
  const description: FileDescription = {
    schema,
    rowCount: meta.rowCount,
    rowGroups,
    sorting: [
      { index: columnIndex("trace_start"), descending: true },
      { index: columnIndex("trace_id"), descending: false },
      { index: columnIndex("start_time"), descending: false },
    ],
    keyValues: [
      { key: SEGMENT_KEY, value: json },
      { key: TRACE_FILTER_KEY, value: base64Encode(meta.traceFilter) },
      { key: CHECKSUMS_KEY, value: encodeChecksums(rowGroups, blooms) },
      { key: FOOTER_CHECKSUM_KEY, value: NO_CHECKSUM },
    ],
  };
  const { length } = encodeFooter(description, blooms);
  const byteSize = file.offset + length + 8;
  fillByteSize(json, byteSize);
  const footer = encodeFooter(description, blooms);
  fillFooterChecksum(footer);
  file.append(footer);
  const end = new Uint8Array(8);
  new DataView(end.buffer).setUint32(0, length, true);
  end.set(MAGIC, 4);
  file.append(end);
  return byteSize;
}

function columnIndex(name: string): number {
  return FIXED_COLUMNS.findIndex((column) => column.name === name);
}

function flatNode(leaf: LeafColumn): SchemaNode {
  const repetition = leaf.presence.kind === "all" ? Repetition.required : Repetition.optional;
  return leafNode(leaf.path[0]!, leaf.type, repetition);
}

function ownersByRow(
  spans: Uint32Array,
  ownerOfSpan: Uint32Array,
  ownerCount: number,
): { ofRow: Uint32Array; counts: Uint32Array } {
  const ofRow = new Uint32Array(spans.length);
  const counts = new Uint32Array(ownerCount);
  for (let row = 0; row < spans.length; row++) {
    const owner = ownerOfSpan[spans[row]!]!;
    ofRow[row] = owner;
    counts[owner]!++;
  }
  return { ofRow, counts };
}

function orderedTraceIds(ids: Uint8Array, traces: Uint32Array): Uint8Array {
  const ordered = new Uint8Array(16 * traces.length);
  for (let t = 0; t < traces.length; t++) {
    const from = 16 * traces[t]!;
    for (let i = 0; i < 16; i++) ordered[16 * t + i] = ids[from + i]!;
  }
  return ordered;
}

/** By scope, then the most frequent first: the order people look for keys in. */
function sortedStats(stats: KeyStats[]): KeyStats[] {
  return stats.sort((a, b) => (a.scope < b.scope ? -1 : a.scope > b.scope ? 1 : b.count - a.count));
}

function seedOf(id: string): number {
  let seed = 0;
  for (let i = 0; i < id.length; i++) seed = Math.imul(seed ^ id.charCodeAt(i), 0x01000193);
  return seed;
}
