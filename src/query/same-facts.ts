import type { KeyStats, SegmentWithKeys } from "../schema/segment-meta.ts";

/** Segments of the same senders are alike, so few of the last ones are enough to know again. */
const MAX_KNOWN = 16;

export type Facts = Pick<SegmentWithKeys, "optionalColumns" | "keys">;

/**
 * What was found out from the key statistics of a segment, for others that have the same. It costs a
 * comparison instead of many small objects, of which a query over thousands of segments makes
 * garbage faster than it is collected. Numbers of the statistics must not matter to what is found.
 */
export class SameFacts<T> {
  readonly #known: { readonly facts: Facts; readonly found: T }[] = [];

  /** `facts.keys`: those that matter, in the order of the segment's. */
  get(facts: Facts, find: (facts: Facts) => T): T {
    for (const known of this.#known) if (isSame(known.facts, facts)) return known.found;
    const found = find(facts);
    if (this.#known.length === MAX_KNOWN) this.#known.pop();
    this.#known.unshift({ facts, found });
    return found;
  }
}

/** The catalog's segments share their lists, so that the same list is the same object. */
function isSame(a: Facts, b: Facts): boolean {
  if (a.optionalColumns !== b.optionalColumns || a.keys.length !== b.keys.length) return false;
  for (let i = 0; i < a.keys.length; i++) if (!isSameKey(a.keys[i]!, b.keys[i]!)) return false;
  return true;
}

function isSameKey(a: KeyStats, b: KeyStats): boolean {
  return (
    a.values === b.values &&
    a.key === b.key &&
    a.scope === b.scope &&
    a.type === b.type &&
    a.complete === b.complete &&
    a.dedicated === b.dedicated
  );
}
