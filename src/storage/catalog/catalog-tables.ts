import type { SqlValue } from "../../drivers/duckdb/database.ts";
import { type SqlScalar, sqlLiteral } from "../../drivers/duckdb/sql-literal.ts";
import { zstdCompress } from "../../runtime/compression.ts";
import type { RowGroupMeta, SegmentMeta, StoredObject } from "../../schema/segment-meta.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import type { WalPositions } from "./catalog.ts";
import type { Redaction } from "./redaction.ts";

/** Each entry takes the tables from the version of its index to the next one. */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE segments (
      id VARCHAR NOT NULL, tenant VARCHAR NOT NULL, format_version INTEGER NOT NULL,
      level INTEGER NOT NULL, row_count BIGINT NOT NULL, trace_count BIGINT NOT NULL,
      byte_size BIGINT NOT NULL, min_trace_start BIGINT NOT NULL, max_trace_start BIGINT NOT NULL,
      max_end BIGINT NOT NULL, wal_from BIGINT, wal_to BIGINT, created_unix_ms BIGINT NOT NULL,
      row_groups VARCHAR NOT NULL, optional_columns VARCHAR NOT NULL, replaces VARCHAR NOT NULL,
      keys BLOB NOT NULL, trace_filter BLOB NOT NULL)`,
    "CREATE TABLE removed_segments (id VARCHAR NOT NULL, tenant VARCHAR NOT NULL, removed_unix_ms BIGINT NOT NULL)",
    "CREATE TABLE wal_positions (cut_to BIGINT NOT NULL, released_to BIGINT NOT NULL)",
    "INSERT INTO wal_positions VALUES (0, 0)",
  ],
  [
    "ALTER TABLE segments ADD COLUMN object_version VARCHAR",
    "ALTER TABLE segments ADD COLUMN retention_class VARCHAR",
    `CREATE TABLE redactions (
      id VARCHAR NOT NULL, tenant VARCHAR NOT NULL, query VARCHAR NOT NULL,
      requested_by VARCHAR NOT NULL, reason VARCHAR NOT NULL, created_unix_ms BIGINT NOT NULL,
      trace_count BIGINT NOT NULL, span_count BIGINT NOT NULL, trace_ids BLOB NOT NULL,
      done_unix_ms BIGINT, removed_spans BIGINT NOT NULL)`,
  ],
];

/** Without `keys` and `traceFilter`, which are large. */
export type SegmentScalars = Omit<SegmentMeta, "keys" | "traceFilter">;

/** How `keys` and `traceFilter` rest in a table and in memory. */
export type PackedDetails = { readonly keys: Uint8Array; readonly traceFilter: Uint8Array };

const ZSTD_LEVEL = 1;

export function packDetails(meta: SegmentMeta): PackedDetails {
  const json = new TextEncoder().encode(JSON.stringify(meta.keys));
  return { keys: zstdCompress(json, ZSTD_LEVEL), traceFilter: meta.traceFilter };
}

export type PackedSegment = { readonly meta: SegmentMeta; readonly details: PackedDetails };

export function insertSegments(segments: readonly PackedSegment[]): string[] {
  return insert(
    "segments",
    segments.map(({ meta, details }) => [
      meta.id,
      meta.tenant,
      meta.formatVersion,
      meta.level,
      meta.rowCount,
      meta.traceCount,
      meta.byteSize,
      meta.minTraceStart,
      meta.maxTraceStart,
      meta.maxEnd,
      meta.walRange?.from ?? null,
      meta.walRange?.to ?? null,
      Math.trunc(meta.createdUnixMs),
      rowGroupsJson(meta.rowGroups),
      JSON.stringify(meta.optionalColumns),
      JSON.stringify(meta.replaces),
      details.keys,
      details.traceFilter,
      meta.object?.version ?? null,
      meta.retentionClass ?? null,
    ]),
  );
}

export function deleteSegments(ids: readonly string[]): string[] {
  return deleteIds("segments", ids);
}

export function updateStored(
  stored: readonly { readonly id: string; readonly object: StoredObject }[],
): string[] {
  return stored.map(
    ({ id, object }) =>
      `UPDATE segments SET object_version = ${sqlLiteral(object.version)} WHERE id = ${sqlLiteral(id)}`,
  );
}

/** The rows of redactions that are new or changed. */
export function replaceRedactions(redactions: readonly Redaction[]): string[] {
  const rows = redactions.map((r) => [
    r.id,
    r.tenant,
    r.query,
    r.requestedBy,
    r.reason,
    Math.trunc(r.createdUnixMs),
    r.traceCount,
    r.spanCount,
    hexToBytes(r.traceIds.join("")),
    r.doneUnixMs === undefined ? null : Math.trunc(r.doneUnixMs),
    r.removedSpans,
  ]);
  return [
    ...deleteIds(
      "redactions",
      redactions.map(({ id }) => id),
    ),
    ...insert("redactions", rows),
  ];
}

export const SELECT_REDACTIONS = "SELECT * FROM redactions ORDER BY id";

export function redactionOfRow(row: readonly SqlValue[]): Redaction {
  const hex = row[8] instanceof Uint8Array ? bytesToHex(row[8]) : "";
  const doneUnixMs = row[9] === null ? undefined : Number(row[9]);
  return {
    id: String(row[0]),
    tenant: String(row[1]),
    query: String(row[2]),
    requestedBy: String(row[3]),
    reason: String(row[4]),
    createdUnixMs: Number(row[5]),
    traceCount: Number(row[6]),
    spanCount: Number(row[7]),
    traceIds: hex.match(/.{32}/g) ?? [],
    state: doneUnixMs === undefined ? "hiding" : "done",
    doneUnixMs,
    removedSpans: Number(row[10]),
  };
}

export function insertRemoved(
  segments: readonly { readonly id: string; readonly tenant: string }[],
  removedUnixMs: number,
): string[] {
  return insert(
    "removed_segments",
    segments.map(({ id, tenant }) => [id, tenant, Math.trunc(removedUnixMs)]),
  );
}

export function deleteRemoved(ids: readonly string[]): string[] {
  return deleteIds("removed_segments", ids);
}

export function updateWalPositions({ cutTo, releasedTo }: WalPositions): string {
  return `UPDATE wal_positions SET cut_to = ${cutTo}, released_to = ${releasedTo}`;
}

/** Columns of `segments` in the order that `segmentOfRow` reads. */
export const SELECT_SEGMENTS = "SELECT * EXCLUDE (keys, trace_filter) FROM segments";

export function segmentOfRow(row: readonly SqlValue[]): SegmentScalars {
  const int = (i: number) => Number(row[i]);
  const json = (i: number): unknown => JSON.parse(String(row[i]));
  const big = (i: number) => BigInt(String(row[i]));
  return {
    id: String(row[0]),
    tenant: String(row[1]),
    formatVersion: int(2),
    level: int(3),
    rowCount: int(4),
    traceCount: int(5),
    byteSize: int(6),
    minTraceStart: big(7),
    maxTraceStart: big(8),
    maxEnd: big(9),
    walRange: row[10] === null ? undefined : { from: int(10), to: int(11) },
    createdUnixMs: int(12),
    rowGroups: (json(13) as [number, string, string][]).map(([rowCount, min, max]) => ({
      rowCount,
      minTraceStart: BigInt(min),
      maxTraceStart: BigInt(max),
    })),
    optionalColumns: json(14) as string[],
    replaces: json(15) as string[],
    ...(row[16] === null ? {} : { object: { version: String(row[16]) } }),
    ...(row[17] === null ? {} : { retentionClass: String(row[17]) }),
  };
}

function rowGroupsJson(rowGroups: readonly RowGroupMeta[]): string {
  return JSON.stringify(
    rowGroups.map((g) => [g.rowCount, String(g.minTraceStart), String(g.maxTraceStart)]),
  );
}

function insert(table: string, rows: readonly (readonly SqlScalar[])[]): string[] {
  if (rows.length === 0) return [];
  const values = rows.map((row) => `(${row.map(sqlLiteral).join(", ")})`);
  return [`INSERT INTO ${table} VALUES ${values.join(", ")}`];
}

/** One scan of the table for all ids. */
function deleteIds(table: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return [];
  return [`DELETE FROM ${table} WHERE id IN (${ids.map(sqlLiteral).join(", ")})`];
}
