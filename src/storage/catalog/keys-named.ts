import type { KeyStats, SegmentWithKeys } from "../../schema/segment-meta.ts";
import { CatalogSegment } from "./catalog-segment.ts";

/**
 * Finds the statistics of keys with certain names, of every scope and type, in one segment after the
 * other. Of the catalog's, which have hundreds in order, it looks at few: segments of the same
 * senders have a name in the same place.
 */
export class KeysNamed {
  readonly #names: ReadonlySet<string>;
  /** By name where it was, or would have been, in the segment before. */
  readonly #places: { readonly name: string; at: number }[];

  /** Written anew for each segment: a list that grows is garbage, thousands of times in a query. */
  readonly #found: KeyStats[] = [];

  constructor(names: ReadonlySet<string>) {
    this.#names = names;
    this.#places = Array.from(names, (name) => ({ name, at: 0 }));
  }

  of(meta: SegmentWithKeys): readonly KeyStats[] {
    const { keys } = meta;
    if (!(meta instanceof CatalogSegment) || this.#places.length > keys.length) {
      return filtered(keys, this.#names);
    }
    const found = this.#found;
    let count = 0;
    for (let i = 0; i < this.#places.length; i++) {
      const place = this.#places[i]!;
      const { name } = place;
      if (!isPlaceOf(name, keys, place.at)) place.at = placeOf(name, keys);
      for (let at = place.at; keys[at]?.key === name; at++) found[count++] = keys[at]!;
    }
    return found.slice(0, count);
  }
}

function filtered(keys: readonly KeyStats[], names: ReadonlySet<string>): readonly KeyStats[] {
  return keys.filter(({ key }) => names.has(key));
}

/** Whether the first statistics with the name are at that place, or would be. */
function isPlaceOf(name: string, keys: readonly KeyStats[], at: number): boolean {
  if (at > keys.length || (at > 0 && keys[at - 1]!.key >= name)) return false;
  return at === keys.length || keys[at]!.key >= name;
}

function placeOf(name: string, keys: readonly KeyStats[]): number {
  let from = 0;
  let to = keys.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (keys[middle]!.key < name) from = middle + 1;
    else to = middle;
  }
  return from;
}
