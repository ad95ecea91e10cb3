import type { SqlValue } from "../drivers/duckdb/database.ts";
import type { SegmentMeta } from "../schema/segment-meta.ts";
import type { SpansetTree } from "./spanset-tree.ts";
import type { AttributeValue } from "./trace.ts";

/** A search as SQL, still open to which segments it runs over. */
export type CompiledSearch = {
  readonly leaves: readonly CompiledLeaf[];
  readonly tree: SpansetTree;
  /** What result spans show. */
  readonly echo: readonly EchoField[];
  /** Result spans show their name. */
  readonly showsName: boolean;
  /** Conditions and values for a segment; equal for all segments with the same key. */
  shape(meta: SegmentMeta): SearchShape;
  /** False when no span of the segment can match the leaf. */
  mayMatch(leaf: number, meta: SegmentMeta): boolean;
  /** Bounds on the whole trace's duration, inclusive. */
  readonly duration: DurationBounds | undefined;
  /** False: only the traces are asked for, not which spans match (the legacy search). */
  readonly wantsSpans: boolean;
};

export type CompiledLeaf = { readonly matchesAll: boolean };

export type SearchShape = {
  readonly key: string;
  /** A boolean SQL expression over a segment's columns for each leaf. */
  readonly leaves: readonly string[];
  /** A SQL expression for each echo field, NULL = absent; types do not depend on the segment. */
  readonly echo: readonly string[];
};

export type EchoField = {
  readonly key: string;
  decode(value: SqlValue): AttributeValue | undefined;
};

export type DurationBounds = {
  readonly minNanos: bigint | undefined;
  readonly maxNanos: bigint | undefined;
};
