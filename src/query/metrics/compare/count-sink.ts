import type { AnyValueLike } from "../../../traceql/sql/field.ts";

/** Spans of both groups. */
export type GroupCounts = { baseline: number; selection: number };

/** Where counts go; the same value of the same bucket may come several times. */
export type CountSink = {
  value(attribute: string, value: AnyValueLike, bucket: number, counts: GroupCounts): void;
  total(attribute: string, bucket: number, counts: GroupCounts): void;
};
