import type { RowChunk, SqlValue } from "../../drivers/duckdb/database.ts";
import { type SqlScalar, sqlLiteral } from "../../drivers/duckdb/sql-literal.ts";
import { PintailError } from "../../errors.ts";
import { zstdCompress } from "../../runtime/compression.ts";
import type { SegmentMeta, StoredObject } from "../../schema/segment-meta.ts";
import { bytesToHex, hexToBytes } from "../../util/hex.ts";
import type { WalPositions } from "./catalog.ts";
import type { SegmentScalars } from "./catalog-segment.ts";
import { checkRowGroups, packRowGroups } from "./packed-row-groups.ts";
import type { Redaction } from "./redaction.ts";
import { withoutPartialLists } from "./shared-keys.ts";

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
  // Row groups as `packRowGroups` has them instead of JSON: [[rows, "first", "last"], …]. Not by
  // `ALTER … TYPE … USING`, whose expression the database cannot replay from its write-ahead log; in
  // three steps, since a transaction cannot change both rows and columns of a table.
  ["ALTER TABLE segments ADD COLUMN packed_row_groups BLOB"],
  [
    `UPDATE segments SET packed_row_groups = unhex(array_to_string(
      list_transform(from_json(row_groups, '[["VARCHAR"]]'), lambda g:
        lpad(hex(g[1]::BIGINT), 8, '0') || lpad(hex(g[2]::BIGINT), 16, '0') ||
        lpad(hex(g[3]::BIGINT), 16, '0')), ''))`,
  ],
  ["ALTER TABLE segments DROP COLUMN row_groups"],
];

/** How `keys` and `traceFilter` rest in a table and in memory. */
export type PackedDetails = { readonly keys: Uint8Array; readonly traceFilter: Uint8Array };

const ZSTD_LEVEL = 1;

export function packDetails(meta: SegmentMeta): PackedDetails {
  const json = new TextEncoder().encode(JSON.stringify(withoutPartialLists(meta.keys)));
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
      JSON.stringify(meta.optionalColumns),
      JSON.stringify(meta.replaces),
      details.keys,
      details.traceFilter,
      meta.object?.version ?? null,
      meta.retentionClass ?? null,
      packRowGroups(meta.rowGroups),
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

/** The lists of column names that segments have, and what `selectSegments` gives for each. */
export const SELECT_COLUMN_LISTS =
  "SELECT DISTINCT hash(optional_columns), optional_columns FROM segments";

/**
 * The rows of `segments` with row ids in a range, and their texts and row groups in the same order, as
 * one value: the client makes an object outside of the heap for each value that is not a number.
 */
export function selectSegments(fromRowId: number, toRowId: number): SegmentStatements {
  const from = `FROM segments WHERE rowid >= ${fromRowId} AND rowid < ${toRowId}`;
  const lengths = TEXT_COLUMNS.map((name) => `strlen(${name})`);
  const texts = TEXT_COLUMNS.map((name) => `coalesce(${name}, '')`);
  return {
    numbers: `SELECT format_version, level, row_count, trace_count, byte_size, min_trace_start,
      max_trace_start, max_end, wal_from, wal_to, created_unix_ms, hash(optional_columns),
      octet_length(packed_row_groups), ${lengths.join(", ")} ${from} ORDER BY rowid`,
    texts: `SELECT encode(string_agg(${texts.join(" || ")}, '' ORDER BY rowid)),
      unhex(string_agg(hex(packed_row_groups), '' ORDER BY rowid)) ${from}`,
  };
}

export type SegmentStatements = { readonly numbers: string; readonly texts: string };

const TEXT_COLUMNS = ["id", "tenant", "replaces", "object_version", "retention_class"] as const;

/** Reads rows of `selectSegments`; what many of them have in common they share. */
export class SegmentReader {
  readonly #columnLists = new Map<string, readonly string[]>();
  readonly #listOfHash = new Map<SqlValue, readonly string[]>();
  readonly #texts = new Map<string, string>();

  /** Rows of `SELECT_COLUMN_LISTS`, which come first. */
  readColumnLists({ rowCount, columns: [hashes, lists] }: RowChunk): void {
    for (let r = 0; r < rowCount; r++) {
      const hash = hashes?.[r] ?? null;
      if (this.#listOfHash.has(hash)) {
        throw new PintailError("corrupt", "two lists of columns have the same hash");
      }
      this.#listOfHash.set(hash, this.columnList(String(lists?.[r])));
    }
  }

  /** Throws `corrupt` for rows that no catalog wrote. */
  read(rows: readonly (readonly SqlValue[])[], texts: readonly SqlValue[]): SegmentScalars[] {
    const nextText = partsOf(texts[0]);
    const nextGroups = partsOf(texts[1]);
    return rows.map((row): SegmentScalars => {
      const int = (c: number) => Number(row[c]);
      const text = (c: number) => utf8.decode(nextText(int(c)));
      const id = text(13);
      const tenant = this.#shared(text(14));
      const replacesJson = this.#shared(text(15));
      const version = text(16);
      const retentionClass = this.#shared(text(17));
      const packedRowGroups = nextGroups(int(12));
      checkRowGroups(packedRowGroups, id);
      return {
        id,
        tenant,
        formatVersion: int(0),
        level: int(1),
        rowCount: int(2),
        traceCount: int(3),
        byteSize: int(4),
        minTraceStart: row[5] as bigint,
        maxTraceStart: row[6] as bigint,
        maxEnd: row[7] as bigint,
        walRange: row[8] === null ? undefined : { from: int(8), to: int(9) },
        createdUnixMs: int(10),
        packedRowGroups,
        optionalColumns: this.#listOfHash.get(row[11] ?? null) ?? NO_COLUMNS,
        replacesJson,
        object: row[16] === null ? undefined : { version },
        retentionClass: row[17] === null ? undefined : retentionClass,
      };
    });
  }

  /** A JSON array of names as the same object for the same text. */
  columnList(json: string): readonly string[] {
    let list = this.#columnLists.get(json);
    if (list === undefined) {
      list = JSON.parse(json) as string[];
      if (this.#columnLists.size < MAX_SHARED) this.#columnLists.set(json, list);
    }
    return list;
  }

  #shared(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size < MAX_SHARED && text.length < MAX_SHARED_LENGTH)
      this.#texts.set(text, text);
    return text;
  }
}

const NO_COLUMNS: readonly string[] = [];
/** Different texts that are remembered to be shared. */
const MAX_SHARED = 10_000;
const MAX_SHARED_LENGTH = 100;

/** Gives one piece after the other, as views. */
function partsOf(all: SqlValue | undefined): (length: number) => Uint8Array {
  const bytes = all instanceof Uint8Array ? all : new Uint8Array(0);
  let at = 0;
  return (length) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
}

const utf8 = new TextDecoder();

export function scalarsOf(meta: SegmentMeta, reader: SegmentReader): SegmentScalars {
  const { rowGroups, replaces, keys: _, traceFilter: __, hiddenTraces: ___, ...rest } = meta;
  return {
    ...rest,
    optionalColumns: reader.columnList(JSON.stringify(meta.optionalColumns)),
    packedRowGroups: packRowGroups(rowGroups),
    replacesJson: JSON.stringify(replaces),
    object: meta.object,
    retentionClass: meta.retentionClass,
  };
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
