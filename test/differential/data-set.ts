import type { SegmentStore } from "../query/segment-store.ts";
import { batchOf } from "../support/batch-builder.ts";
import type { PlainSpan } from "../support/read-batch.ts";

/** Spans, each with the number of the segment that holds it. */
export type Placed = { readonly span: PlainSpan; readonly segment: number };

/** Replaces what the store holds by these spans, written by the real writer. */
export async function loadSpans(
  store: SegmentStore,
  placed: readonly Placed[],
  rowGroupRows?: number,
): Promise<void> {
  store.clear();
  for (const segment of new Set(placed.map((p) => p.segment))) {
    const spans = placed.filter((p) => p.segment === segment).map((p) => p.span);
    await store.addBatch(batchOf(spans), rowGroupRows === undefined ? {} : { rowGroupRows });
  }
}

/** A span as few words as tell what is not the default. */
export function spanText({ span, segment }: Placed): string {
  const { resource, scope, ...own } = span;
  const shown = Object.entries({ ...own, resource: resource.attributes, scope })
    .filter(([, value]) => value !== "" && value !== 0 && !(Array.isArray(value) && !value.length))
    .map(([key, value]) => [key, value] as const);
  const json = JSON.stringify(Object.fromEntries(shown), (_, value) =>
    typeof value === "bigint" ? `${value}n` : Object.is(value, -0) ? "-0" : value,
  );
  return `segment ${segment}: ${json}`;
}
