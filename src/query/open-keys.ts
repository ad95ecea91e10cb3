import type { KeyStats, SegmentWithKeys } from "../schema/segment-meta.ts";
import { haveKey, type SegmentServices, type SomeOfServices } from "./segment-services.ts";
import type { NamesByScope } from "./tag-scopes.ts";

/** What was found out of one of a segment's keys, for segments of which the same is known. */
type OpenKey = {
  /** Which of the segment's keys. */
  readonly at: number;
  readonly names: Set<string>;
  some: SomeOfServices | undefined;
  keyServices: string | undefined;
  have: boolean | undefined;
};

/**
 * The keys of segments that have the same keys, as long as it is not certain that spans of some services
 * have them. Most segments tell the same of theirs, so that few are looked at key by key.
 */
export class OpenKeys {
  readonly #open: OpenKey[] = [];
  #lastServices: object | undefined;
  #lastSome: SomeOfServices | undefined;
  #lastSure = false;

  constructor(keys: readonly KeyStats[], found: NamesByScope) {
    for (const [at, { scope }] of keys.entries()) {
      const names = scope === "intrinsic" ? undefined : found.get(scope);
      const unknown = { some: undefined, keyServices: undefined, have: undefined };
      if (names !== undefined) this.#open.push({ at, names, ...unknown });
    }
  }

  /** `isSure`: what the services have is in the answer. `seek` is told of keys that rows must tell. */
  look(
    meta: SegmentWithKeys,
    services: SegmentServices,
    isSure: boolean,
    seek: (stats: KeyStats) => void,
  ): void {
    const some = services.in(meta);
    const { keys, sameKeyServices } = meta;
    // The keys themselves are the same in all segments that come here.
    const isAlike = sameKeyServices !== undefined && sameKeyServices === this.#lastServices;
    if (isAlike && some === this.#lastSome && isSure === this.#lastSure) return;
    this.#lastServices = sameKeyServices;
    this.#lastSome = some;
    this.#lastSure = isSure;
    for (let i = this.#open.length - 1; i >= 0; i--) {
      const open = this.#open[i]!;
      const stats = keys[open.at]!;
      if (open.some !== some || open.keyServices !== stats.keyServices) {
        open.some = some;
        open.keyServices = stats.keyServices;
        open.have = haveKey(some, stats);
      }
      if (open.have === false) continue;
      const isFound = open.names.has(stats.key) || (open.have === true && isSure);
      if (isFound) {
        open.names.add(stats.key);
        this.#open.splice(i, 1);
      } else seek(stats);
    }
  }
}
