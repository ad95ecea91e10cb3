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

  /** Which of the segment's `keys`, in their order. */
  placesIn(meta: SegmentWithKeys): readonly number[] {
    return this.#places.get(meta, this.#findPlaces);
  }

  /** The same as their statistics. */
  of(meta: SegmentWithKeys): readonly KeyStats[] {
    const places = this.placesIn(meta);
    const { keys } = meta;
    return places.map((place) => keys[place]!);
  }
}
