/**
 * Spans as comparable texts, twice: what a segment should hold, worked out naively from the batch,
 * and what DuckDB and hyparquet find in the file.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type DuckDBConnection,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBUUIDValue,
} from "@duckdb/node-api";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { SpanBatch } from "../../../src/model/span-batch.ts";
import { FIXED_COLUMNS, TIME_MAX_UNIX_NANO } from "../../../src/schema/columns.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { writeSegment } from "../../../src/storage/segments/write-segment.ts";
import {
  type PlainAttribute,
  type PlainSpan,
  type PlainValue,
  readBatch,
} from "../../support/read-batch.ts";
import { naiveNestedSets } from "./naive-nested-sets.ts";

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

export type WrittenSegment = { file: Uint8Array; meta: SegmentMeta };

export function write(
  batch: SpanBatch,
  options: { zstdLevel?: number; rowGroupRows?: number } = {},
): WrittenSegment {
  const { chunks, meta } = writeSegment(batch, {
    id: "01JZW6Q0M5T4ZQ8Y3N7C2B1A0X",
    tenant: "team-a",
    level: 0,
    walRange: { from: 10, to: 20 },
    replaces: ["01JZW6Q0M5T4ZQ8Y3N7C2B1A0W"],
    createdUnixMs: 1_767_225_600_123,
    zstdLevel: options.zstdLevel ?? 1,
    rowGroupRows: options.rowGroupRows ?? 100_000,
  });
  return { file: new Uint8Array(Buffer.concat(chunks)), meta };
}

/** Runs `work` with a DuckDB connection and the file on disk. */
export async function withDuckDB<T>(
  file: Uint8Array,
  work: (connection: DuckDBConnection, path: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "pintail-segment-"));
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    const path = join(folder, "s.parquet");
    await writeFile(path, file);
    return await work(connection, path);
  } finally {
    connection.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true });
  }
}

export async function duckdbRows({ file, meta }: WrittenSegment): Promise<string[]> {
  return withDuckDB(file, async (connection, path) => {
    const reader = await connection.runAndReadAll(`SELECT * FROM read_parquet('${path}')`);
    return reader.getRowObjects().map((row) => storedText(duckdbPlain(row) as Row, meta));
  });
}

function duckdbPlain(value: unknown): unknown {
  if (value instanceof DuckDBUUIDValue) return value.toString();
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos;
  if (value instanceof DuckDBListValue) return value.items.map(duckdbPlain);
  if (value instanceof DuckDBStructValue) return duckdbPlain(value.entries);
  if (value instanceof DuckDBMapValue) {
    return value.entries.map((e) => [duckdbPlain(e.key), duckdbPlain(e.value)]);
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, duckdbPlain(v)]));
}

export async function hyparquetRows({ file, meta }: WrittenSegment): Promise<string[]> {
  const rows = await parquetReadObjects({
    file: file.buffer as ArrayBuffer,
    compressors,
    parsers: { timestampFromNanoseconds: (nanos: bigint) => nanos },
  });
  return rows.map((row) => storedText(hyparquetPlain(row) as Row, meta));
}

function hyparquetPlain(value: unknown): unknown {
  if (value === undefined) return null;
  if (Array.isArray(value)) return value.map(hyparquetPlain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, hyparquetPlain(v)]));
}

type Row = Record<string, unknown>;

/** One row of the file; attributes are gathered from whatever home they have. */
function storedText(row: Row, meta: SegmentMeta): string {
  const attributes = { span: [] as string[], resource: [] as string[], scope: [] as string[] };
  for (const name of meta.optionalColumns) {
    const value = row[name];
    const map = /^(span|resource|scope)_attr_(str|int|double|bool|json)$/.exec(name);
    if (map) {
      const type = map[2] === "str" ? "string" : map[2]!;
      for (const [key, v] of entriesOf(value)) {
        attributes[map[1] as "span"].push(`${type} ${JSON.stringify(key)} ${valueText(type, v)}`);
      }
      continue;
    }
    const dedicated = /^(span|resource)\.(.*)$/s.exec(name);
    if (dedicated && value !== null) {
      const type = dedicatedTypes(meta).get(name)!;
      const text = `${type} ${JSON.stringify(dedicated[2])} ${valueText(type, value)}`;
      attributes[dedicated[1] as "span"].push(text);
    }
  }
  const fixed = FIXED_COLUMNS.map(({ name }) => `${name}=${plainText(row[name])}`);
  return text({
    fixed,
    exact: [plainText(row.start_unix_nano ?? null), plainText(row.end_unix_nano ?? null)],
    attributes: [attributes.span.sort(), attributes.resource.sort(), attributes.scope.sort()],
    events: listOf(row.events).map(elementText),
    links: listOf(row.links).map(elementText),
  });
}

const typesBySegment = new WeakMap<SegmentMeta, Map<string, string>>();

function dedicatedTypes(meta: SegmentMeta): Map<string, string> {
  let types = typesBySegment.get(meta);
  if (types === undefined) {
    const own = meta.keys.filter((k) => k.dedicated);
    types = new Map(own.map((k) => [`${k.scope}.${k.key}`, k.type]));
    typesBySegment.set(meta, types);
  }
  return types;
}

/** DuckDB gives maps as pairs, hyparquet as an object. */
function entriesOf(value: unknown): [string, unknown][] {
  if (value === null) return [];
  return Array.isArray(value) ? value : Object.entries(value as object);
}

function listOf(value: unknown): Row[] {
  if (value === null || value === undefined) return [];
  if ((value as unknown[]).length === 0) throw new Error("an empty list where NULL belongs");
  return value as Row[];
}

function elementText(element: Row): string {
  const attributes = (element.attributes as Row[]).map((attribute) => {
    for (const field of ["str", "int", "double", "bool", "json"]) {
      const value = attribute[field];
      if (value === null) continue;
      const type = field === "str" ? "string" : field;
      return `${type} ${JSON.stringify(attribute.key)} ${valueText(type, value)}`;
    }
    throw new Error("an attribute without value");
  });
  const rest = Object.entries(element).filter(([name]) => name !== "attributes");
  return [...rest.map(([name, v]) => `${name}=${plainText(v)}`), ...attributes.sort()].join(" ");
}

function plainText(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function valueText(type: string, value: unknown): string {
  if (type === "double") return Object.is(value, -0) ? "-0" : String(value);
  return plainText(value);
}

function text(value: unknown): string {
  return JSON.stringify(value);
}

/** What the segment should hold, in its order. */
export function expectedRows(batch: SpanBatch): string[] {
  const traces = new Map<string, PlainSpan[]>();
  for (const span of readBatch(batch)) {
    const spans = traces.get(span.traceId);
    if (spans) spans.push(span);
    else traces.set(span.traceId, [span]);
  }
  const stored = [...traces.values()].map((unsorted) => {
    const spans = unsorted
      .map((span, arrival) => ({ span, arrival }))
      .sort(
        (a, b) =>
          compare(a.span.startUnixNano, b.span.startUnixNano) ||
          compare(a.span.spanId, b.span.spanId) ||
          a.arrival - b.arrival,
      )
      .map(({ span }) => span);
    return { spans, start: clampTime(spans[0]!.startUnixNano) };
  });
  stored.sort(
    (a, b) => compare(b.start, a.start) || compare(a.spans[0]!.traceId, b.spans[0]!.traceId),
  );
  return stored.flatMap(({ spans, start }) => traceTexts(spans, start));
}

function traceTexts(spans: PlainSpan[], traceStart: bigint): string[] {
  const nested = naiveNestedSets(spans);
  const root = spans.find(isRoot);
  const latest = spans
    .map((s) => s.endUnixNano)
    .sort(compare)
    .at(-1)!;
  const duration = latest - spans[0]!.startUnixNano;
  return spans.map((span, i) => {
    const exactDuration = span.endUnixNano - span.startUnixNano;
    const isExact = span.startUnixNano <= TIME_MAX_UNIX_NANO && exactDuration <= INT64_MAX;
    const values: Record<string, unknown> = {
      trace_id: uuid(span.traceId),
      span_id: BigInt(`0x0${span.spanId}`),
      parent_span_id: span.parentSpanId === "" ? null : BigInt(`0x${span.parentSpanId}`),
      trace_start: traceStart,
      start_time: clampTime(span.startUnixNano),
      duration_ns: clampInt64(exactDuration),
      service_name: span.resource.serviceName,
      name: span.name,
      kind: span.kind,
      status: span.status,
      status_message: span.statusMessage,
      trace_duration_ns: duration < 0n ? 0n : clampInt64(duration),
      root_service_name: root?.resource.serviceName ?? "",
      root_span_name: root?.name ?? "",
      nested_left: nested[i]!.left,
      nested_right: nested[i]!.right,
      nested_parent: nested[i]!.parent,
      child_count: nested[i]!.childCount,
      scope_name: span.scope.name,
      scope_version: span.scope.version,
      trace_state: span.traceState,
      flags: span.flags,
      dropped_attributes_count: span.droppedAttributes,
      dropped_events_count: span.droppedEvents,
      dropped_links_count: span.droppedLinks,
      resource_dropped_attributes_count: span.resource.droppedAttributes,
      resource_schema_url: span.resource.schemaUrl,
      scope_dropped_attributes_count: span.scope.droppedAttributes,
      scope_schema_url: span.scope.schemaUrl,
    };
    const resource = attributeTexts(span.resource.attributes).filter(
      (a) => !a.startsWith('string "service.name" ') || a.endsWith(' ""'),
    );
    return text({
      fixed: FIXED_COLUMNS.map(({ name }) => `${name}=${plainText(values[name])}`),
      exact: isExact
        ? ["null", "null"]
        : [plainText(span.startUnixNano), plainText(span.endUnixNano)],
      attributes: [
        attributeTexts(span.attributes),
        resource,
        attributeTexts(span.scope.attributes),
      ],
      events: span.events.map((e) =>
        [
          `time_unix_nano=${e.timeUnixNano}`,
          `name=${plainText(e.name)}`,
          `dropped_attributes_count=${e.droppedAttributes}`,
          ...attributeTexts(e.attributes),
        ].join(" "),
      ),
      links: span.links.map((l) =>
        [
          `trace_id=${plainText(uuid(l.traceId.padStart(32, "0")))}`,
          `span_id=${BigInt(`0x0${l.spanId}`)}`,
          `trace_state=${plainText(l.traceState)}`,
          `flags=${l.flags}`,
          `dropped_attributes_count=${l.droppedAttributes}`,
          ...attributeTexts(l.attributes),
        ].join(" "),
      ),
    });
  });
}

function isRoot(span: PlainSpan): boolean {
  if (span.parentSpanId !== "") return false;
  return !span.links.some(
    (link) =>
      link.traceId === span.traceId &&
      attributeTexts(link.attributes).includes('string "opentracing.ref_type" "child_of"'),
  );
}

/** Of equal keys of one type the last. */
function attributeTexts(attributes: readonly PlainAttribute[]): string[] {
  const last = new Map<string, string>();
  for (const { key, value } of attributes) {
    const type = typeOf(value);
    const plain = typeof value === "object" ? value.json : value;
    last.set(`${type} ${key}`, `${type} ${JSON.stringify(key)} ${valueText(type, plain)}`);
  }
  return [...last.values()].sort();
}

function typeOf(value: PlainValue): string {
  switch (typeof value) {
    case "string":
      return "string";
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "double";
    default:
      return "json";
  }
}

function compare<T extends bigint | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function clampTime(time: bigint): bigint {
  return time > TIME_MAX_UNIX_NANO ? TIME_MAX_UNIX_NANO : time;
}

function clampInt64(value: bigint): bigint {
  return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : value;
}

function uuid(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
