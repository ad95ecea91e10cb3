import type { AttributeScopeName, StoredAttributeType } from "./columns.ts";

/** Position in the WAL: bytes appended since the data folder was made. Exact up to 2^53. */
export type Lsn = number;

/** Half open: the records that begin in `[from, to)`. */
export type WalRange = { readonly from: Lsn; readonly to: Lsn };

/** Scopes that tag names are listed under. */
export type KeyScope = AttributeScopeName | "event" | "link" | "intrinsic";

/** What one segment holds under one key with one type. */
export type KeyStats = {
  readonly scope: KeyScope;
  /** Attribute key; for scope `intrinsic` a `FixedColumnName`, `event:name` or the like. */
  readonly key: string;
  readonly type: StoredAttributeType;
  /** Spans (events, links) that carry it. */
  readonly count: number;
  /** Distinct values. */
  readonly distinct: number;
  /**
   * Values as text, most frequent first, at most `MAX_LISTED_VALUES` of at most
   * `MAX_LISTED_VALUE_BYTES`; all of them when `complete`. Numbers in their shortest form.
   */
  readonly values: readonly string[];
  readonly complete: boolean;
  /**
   * With which services each of `values` occurs, in their order: a hexadecimal number of which bit `i`
   * stands for the `i`-th of the values listed for `service_name` (scope `intrinsic`) in the order of
   * their texts. Present where both lists are complete, for attributes of spans, their events and links,
   * and resources, and for intrinsics that each span has; absent from files of older versions.
   */
  readonly services?: readonly string[] | undefined;
  /** The same of all that has the key, whether its values are listed or not. */
  readonly keyServices?: string | undefined;
  /** True when the key has its own column with this type; else it rests in the overflow map. */
  readonly dedicated: boolean;
};
export const MAX_LISTED_VALUES = 64;
export const MAX_LISTED_VALUE_BYTES = 256;

/** A segment's object in the bucket. */
export type StoredObject = {
  /** S3's ETag or GCS's generation, as `ObjectInfo` has it. */
  readonly version: string;
};

export type RowGroupMeta = {
  readonly rowCount: number;
  /** `trace_start` bounds, inclusive. */
  readonly minTraceStart: bigint;
  readonly maxTraceStart: bigint;
};

/**
 * Enough about a segment to not open it. Stored in the file's footer (key `pintail.segment`, JSON
 * without `traceFilter`, which is `pintail.trace_filter` in base64) and in the catalog.
 */
export type SegmentMeta = {
  /** ULID; the file is `<tenant folder>/<id>.parquet`. */
  readonly id: string;
  readonly tenant: string;
  readonly formatVersion: number;
  /** 0: a head cut; 1: from a WAL range; 2 and above: merged. */
  readonly level: number;
  readonly rowCount: number;
  readonly traceCount: number;
  readonly byteSize: number;
  /** `trace_start` bounds, inclusive, nanoseconds as stored (clamped). */
  readonly minTraceStart: bigint;
  readonly maxTraceStart: bigint;
  /** Latest end of a span, or start where that is later; clamped like `trace_start`. */
  readonly maxEnd: bigint;
  readonly rowGroups: readonly RowGroupMeta[];
  /**
   * Names of the columns present beyond `FIXED_COLUMNS`: dedicated, overflow, exact times, events,
   * links. Column names differ by more than letter case (DuckDB ignores case).
   */
  readonly optionalColumns: readonly string[];
  readonly keys: readonly KeyStats[];
  /** WAL records whose spans this segment holds (all of this tenant's in the range). */
  readonly walRange: WalRange | undefined;
  /** Ids of the segments that this one stands for. */
  readonly replaces: readonly string[];
  readonly createdUnixMs: number;
  /** A filter over the XXH64 of the trace ids, of one of the forms in `trace-filter.ts`. */
  readonly traceFilter: Uint8Array;
  /** The retention class whose traces alone it holds; undefined: it has the tenant's retention. */
  readonly retentionClass?: string | undefined;
  /** Known to the catalog alone: undefined while the local file is the only copy. */
  readonly object?: StoredObject | undefined;
  /**
   * Known to the catalog alone: traces (32 hex digits) that it may hold and nobody may read, since
   * they were redacted. Undefined for none.
   */
  readonly hiddenTraces?: readonly string[] | undefined;
  /**
   * Known to the catalog alone: one object for segments whose `keys` differ in numbers, values and
   * services alone (and in `complete`, which follows from them), so that they have the same scopes, keys, types and
   * homes in the same order. Two objects say nothing. Undefined while the keys were never read.
   */
  readonly sameKeys?: object | undefined;
  /** The same for segments of which the keys have the same `keyServices`, in their order. */
  readonly sameKeyServices?: object | undefined;
  /**
   * Known to the catalog alone: a number from 0 on that no other segment has at the time, so that lists
   * can be kept by it. A later segment may have it again.
   */
  readonly place?: number | undefined;
};

/** Without the large parts, which the catalog brings when they are asked for. */
export type SegmentSummary = Omit<SegmentMeta, "keys" | "traceFilter">;
/** From the catalog: in its lists values are in the order of their texts, none where not `complete`. */
export type SegmentWithKeys = SegmentSummary & Pick<SegmentMeta, "keys">;
export type SegmentWithFilter = SegmentSummary & Pick<SegmentMeta, "traceFilter">;
