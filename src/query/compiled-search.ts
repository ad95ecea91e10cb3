import type { SqlValue } from "../drivers/duckdb/database.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { ValueNeed } from "../schema/value-need.ts";
import type { Pipeline } from "../traceql/plan/pipeline.ts";
import type { AnyValueLike } from "../traceql/sql/field.ts";
import type { SegmentShape } from "../traceql/sql/segment-shape.ts";
import type { PreparedBySegment } from "./prepare-segments.ts";

/**
 * A search as SQL, still open to which segments it runs over. Before a segment is prepared nothing may
 * be asked about it.
 */
export type CompiledSearch = PreparedBySegment & {
  readonly pipeline: Pipeline;
  /** What result spans show. */
  readonly echo: readonly EchoField[];
  /** Result spans show their name. */
  readonly showsName: boolean;
  /** Conditions and values for a segment; equal for all segments with the same key. */
  shape(meta: SegmentSummary): SearchShape;
  /** The same for rows of any shape that knows the pipeline's fields. */
  shapeOf(shape: SegmentShape): SearchShape;
  /** False when no span of the segment can match the leaf, judged by what the segment holds. */
  mayMatch(leaf: number, meta: SegmentSummary): boolean;
  /** The same where traces lie in several segments and their spans are judged as of whole traces. */
  mayMatchWhole(leaf: number, meta: SegmentSummary): boolean;
  /** By leaf the values that the segment must hold so that some span of it matches. */
  needs(meta: SegmentSummary): LeafNeeds;
  /** The same as `mayMatchWhole` has it; undefined when it makes no difference. */
  readonly needsWhole: ((meta: SegmentSummary) => LeafNeeds) | undefined;
  /** Bounds on the whole trace's duration, inclusive. */
  readonly duration: DurationBounds | undefined;
  /** False: only the traces are asked for, not which spans match (the legacy search). */
  readonly wantsSpans: boolean;
};

/** `undefined`: of the leaf nothing is known to be needed. */
export type LeafNeeds = readonly (ValueNeed | undefined)[];

export type SearchShape = {
  readonly key: string;
  readonly segment: SegmentShape;
  /** A boolean SQL expression over a segment's columns for each leaf. */
  readonly leaves: readonly string[];
  /** A SQL expression of `ECHO_TYPE` for each value of the pipeline. */
  readonly values: readonly string[];
  /** A SQL expression for each echo field, NULL = absent; types do not depend on the segment. */
  readonly echo: readonly string[];
};

export type EchoField = {
  readonly key: string;
  decode(value: SqlValue): AnyValueLike | undefined;
};

export type DurationBounds = {
  readonly minNanos: bigint | undefined;
  readonly maxNanos: bigint | undefined;
};

export function leafNumbers({ pipeline }: Pick<CompiledSearch, "pipeline">): number[] {
  return pipeline.leaves.map((_, leaf) => leaf);
}
