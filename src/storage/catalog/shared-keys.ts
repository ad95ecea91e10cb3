import type { KeyStats } from "../../schema/segment-meta.ts";
import { orderOf } from "../../util/text-order.ts";

/** Lists and texts that are remembered to be shared; beyond it, sharing begins anew. */
const MAX_SHARED = 20_000;
const MAX_SHARED_CHARS = 4 * 1024 * 1024;
/** The same for what stands for whole lists of keys, which are long where there are many keys. */
const MAX_SAME_CHARS = 1024 * 1024;
/** What an entry of the statistics takes: the object, its place in the list, its numbers. */
const ENTRY_BYTES = 120;
const VALUE_BYTES = 24;

/** Without lists that are not complete: those answer no question, and they are the long ones. */
export function withoutPartialLists(keys: readonly KeyStats[]): KeyStats[] {
  return keys.map((stats) => {
    if (stats.complete) return stats;
    const { services: _, ...rest } = stats;
    return { ...rest, values: NO_VALUES };
  });
}

const NO_VALUES: readonly string[] = Object.freeze([]);

type SharedValues = {
  readonly values: readonly string[];
  readonly isNew: boolean;
  /** Which of the values comes first, second and so on. */
  readonly order: readonly number[];
};

export type SharedKeys = {
  readonly keys: readonly KeyStats[];
  /** As `SegmentSummary.sameKeys`. */
  readonly same: object;
  /** As `SegmentSummary.sameKeyServices`. */
  readonly sameServices: object;
  /** About what they take beside what they share with others. */
  readonly ownBytes: number;
};

/**
 * Key statistics of many segments, with the texts that they have in common once in memory: segments
 * of the same senders have the same keys, and most lists of values.
 */
export class KeySharer {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();
  /** By the names of keys, and by their services. */
  readonly #sames = new SameLists();
  readonly #sameServices = new SameLists();
  #chars = 0;

  share(keys: readonly KeyStats[]): SharedKeys {
    let ownBytes = ENTRY_BYTES * keys.length;
    // In one order, so that segments which hold the same can be seen to.
    const shared = keys.toSorted(compareKeys).map((stats): KeyStats => {
      const { values, isNew, order } = this.#valuesOf(stats);
      if (isNew) ownBytes += bytesOf(values);
      const { keyServices } = stats;
      const own = {
        scope: this.#text(stats.scope),
        key: this.#text(stats.key),
        values,
        ...(keyServices !== undefined && { keyServices: this.#text(keyServices) }),
      };
      if (stats.services === undefined) return { ...stats, ...own };
      const services = this.#listOf(order.map((i) => stats.services![i]!));
      if (services.isNew) ownBytes += bytesOf(services.list);
      return { ...stats, ...own, services: services.list };
    });
    const names = shared.map(({ scope, key, type, dedicated }) => [scope, key, type, dedicated]);
    const services = shared.map(({ keyServices }) => keyServices ?? "");
    const same = this.#sames.of(JSON.stringify(names));
    const sameServices = this.#sameServices.of(services.join());
    return { keys: shared, same, sameServices, ownBytes };
  }

  #text<T extends string>(text: T): T {
    const known = this.#texts.get(text);
    if (known !== undefined) return known as T;
    this.#makeRoom(text.length);
    this.#texts.set(text, text);
    return text;
  }

  /** In the order of their texts, since the most frequent value is another in every segment. */
  #valuesOf({ values, complete }: KeyStats): SharedValues {
    if (!complete || values.length === 0) return { values: NO_VALUES, isNew: false, order: [] };
    const order = orderOf(values);
    const { list, isNew } = this.#listOf(order.map((i) => values[i]!));
    return { values: list, isNew, order };
  }

  #listOf(list: readonly string[]): { list: readonly string[]; isNew: boolean } {
    const id = JSON.stringify(list);
    const known = this.#lists.get(id);
    if (known !== undefined) return { list: known, isNew: false };
    this.#makeRoom(2 * id.length);
    this.#lists.set(id, list);
    return { list, isNew: true };
  }

  /** Segments keep what they share also when it is forgotten here. */
  #makeRoom(chars: number): void {
    this.#chars += chars;
    if (this.#texts.size + this.#lists.size < MAX_SHARED && this.#chars <= MAX_SHARED_CHARS) return;
    this.#texts.clear();
    this.#lists.clear();
    this.#chars = chars;
  }
}

/** An object that stands for each of some lists. */
class SameLists {
  readonly #known = new Map<string, object>();
  #chars = 0;

  /** `id`: another one for each list. */
  of(id: string): object {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    this.#chars += id.length;
    if (this.#chars > MAX_SAME_CHARS) {
      this.#known.clear();
      this.#chars = id.length;
    }
    const same = Object.freeze({});
    this.#known.set(id, same);
    return same;
  }
}

function compareKeys(a: KeyStats, b: KeyStats): number {
  return (
    compareTexts(a.key, b.key) || compareTexts(a.scope, b.scope) || compareTexts(a.type, b.type)
  );
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function bytesOf(values: readonly string[]): number {
  let bytes = 0;
  for (const value of values) bytes += VALUE_BYTES + value.length;
  return bytes;
}
