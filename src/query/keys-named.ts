import type { KeyStats, SegmentWithKeys } from "../schema/segment-meta.ts";
import { PerKeys } from "./per-keys.ts";

/**
 * Finds the statistics of keys with certain names, of every scope and type, in one segment after the
 * other. A segment has hundreds of keys: where these are is looked for once for all with the same.
 */
export class KeysNamed {
  readonly #places = new PerKeys<readonly number[]>();
  readonly #findPlaces: (meta: SegmentWithKeys) => readonly number[];

  constructor(names: ReadonlySet<string>) {
    this.#findPlaces = ({ keys }) => [...keys.keys()].filter((i) => names.has(keys[i]!.key));
  }

  /** In the order of the segment's. */
  of(meta: SegmentWithKeys): readonly KeyStats[] {
    const places = this.#places.get(meta, this.#findPlaces);
    const { keys } = meta;
    // Made at its length: one that grows would be garbage, thousands of times in a query.
    const found = new Array<KeyStats>(places.length);
    for (let i = 0; i < places.length; i++) found[i] = keys[places[i]!]!;
    return found;
  }
}
