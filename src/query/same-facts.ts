import type { KeyStats, SegmentWithKeys } from "../schema/segment-meta.ts";
import type { KeysNamed } from "./keys-named.ts";

/** Segments of the same senders are alike, so few of the last ones are enough to know again. */
const MAX_KNOWN = 16;

export type Facts = Pick<SegmentWithKeys, "optionalColumns" | "keys">;

/**
 * What was found out from the key statistics of a segment, for others that have the same. It costs a
 * comparison instead of many small objects, of which a query over thousands of segments makes
 * garbage faster than it is collected. Numbers of the statistics must not matter to what is found.
 */
export class SameFacts<T> {
  readonly #named: KeysNamed;
  readonly #known: { readonly facts: Facts; readonly found: T }[] = [];

  /** `named`: the keys that matter. */
  constructor(named: KeysNamed) {
    this.#named = named;
  }

  /** `find` is given the keys that matter, in the order of the segment's. */
  get(meta: SegmentWithKeys, find: (facts: Facts) => T): T {
    const places = this.#named.placesIn(meta);
    const { keys, optionalColumns } = meta;
    // Nothing is made for a segment that is like one before.
    for (let i = 0; i < this.#known.length; i++) {
      const { facts, found } = this.#known[i]!;
      if (facts.optionalColumns === optionalColumns && areSame(facts.keys, keys, places)) {
        return found;
      }
    }
    const facts = { optionalColumns, keys: places.map((place) => keys[place]!) };
    const found = find(facts);
    if (this.#known.length === MAX_KNOWN) this.#known.pop();
    this.#known.unshift({ facts, found });
    return found;
  }
}

/** The catalog's segments share their lists, so that the same list is the same object. */
function areSame(
  known: readonly KeyStats[],
  keys: readonly KeyStats[],
  places: readonly number[],
): boolean {
  if (known.length !== places.length) return false;
  for (let i = 0; i < places.length; i++) {
    if (!isSameKey(known[i]!, keys[places[i]!]!)) return false;
  }
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
