import type { PlainSpan } from "../../support/read-batch.ts";

export type NaiveNestedSet = { left: number; right: number; parent: number; childCount: number };

/**
 * Nested sets of one trace, its spans in stored order, straight from the definition: quadratic and
 * recursive.
 */
export function naiveNestedSets(spans: readonly PlainSpan[]): NaiveNestedSet[] {
  const sets = spans.map(() => ({ left: 0, right: 0, parent: 0, childCount: 0 }));
  const isRoot = (i: number) => spans[i]!.parentSpanId === "";
  if (!spans.some((_, i) => isRoot(i))) return sets;
  const withId = (id: string) => spans.flatMap((s, i) => (s.spanId === id ? [i] : []));
  if (spans.some((s) => withId(s.spanId).length > 2)) return sets;
  const parentOf = (i: number): number | undefined => {
    if (isRoot(i)) return undefined;
    let holders = withId(spans[i]!.parentSpanId);
    if (holders.length === 2) {
      const wanted = spans[i]!.kind === 2 ? 3 : 2;
      holders = holders.filter((h) => spans[h]!.kind === wanted);
    }
    return holders[0] === i ? undefined : holders[0];
  };
  const parents = spans.map((_, i) => parentOf(i));
  for (const parent of parents) if (parent !== undefined) sets[parent]!.childCount++;
  let counter = 1;
  const visit = (i: number, parentLeft: number) => {
    sets[i]!.left = counter++;
    sets[i]!.parent = parentLeft;
    for (let child = 0; child < spans.length; child++) {
      if (parents[child] === i) visit(child, sets[i]!.left);
    }
    sets[i]!.right = counter++;
  };
  for (let i = 0; i < spans.length; i++) if (isRoot(i)) visit(i, -1);
  return sets;
}
