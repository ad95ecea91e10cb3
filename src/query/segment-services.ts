import type { KeyStats, SegmentWithKeys } from "../schema/segment-meta.ts";
import { PerKeys } from "./per-keys.ts";

/** Services that a filter is about. */
export type FilterServices = {
  /** Spans that pass have one of these; '' is that of spans without one, as in queries. */
  readonly names: ReadonlySet<string>;
  /** All spans of these services pass. */
  readonly exact: boolean;
};

/** Segments share their lists: so many are remembered. */
const MAX_LISTS = 64;
/** The same of sets of services. */
const MAX_SETS = 4096;

/** Tells what of a segment's keys and values some services have. */
export class SegmentServices {
  readonly exact: boolean;
  readonly #names: ReadonlySet<string>;
  readonly #namesAt = new PerKeys<number | undefined>();
  /** By the names of all services of a segment. */
  readonly #among = new Map<readonly string[], SomeOfServices>();
  #lastAll: readonly string[] | undefined;
  #lastSome: SomeOfServices | undefined;

  constructor({ names, exact }: FilterServices) {
    this.#names = names;
    this.exact = exact;
  }

  /**
   * The services among all of the segment's, one object for segments with the same. Undefined where
   * the catalog does not list all.
   */
  in(meta: SegmentWithKeys): SomeOfServices | undefined {
    const at = this.#namesAt.get(meta, findNames);
    const listed = at === undefined ? undefined : meta.keys[at]!;
    if (listed?.complete !== true) return undefined;
    const { values } = listed;
    if (values === this.#lastAll) return this.#lastSome;
    let some = this.#among.get(values);
    if (some === undefined) {
      some = new SomeOfServices(values, this.#names);
      if (this.#among.size === MAX_LISTS) this.#among.clear();
      this.#among.set(values, some);
    }
    this.#lastAll = values;
    this.#lastSome = some;
    return some;
  }
}

/** Where the names of all services are listed; undefined where a service may have another name. */
function findNames({ keys }: SegmentWithKeys): number | undefined {
  // Of an array each element is compared.
  const isOther = ({ scope, key, type }: KeyStats) =>
    scope === "resource" && key === "service.name" && type !== "string";
  if (keys.some(isOther)) return undefined;
  const at = keys.findIndex(({ scope, key }) => scope === "intrinsic" && key === "service_name");
  return at < 0 ? undefined : at;
}

/** Some services among all of a segment. */
export class SomeOfServices {
  /** As `KeyStats.keyServices`, in two halves of 32 bits. */
  readonly #low: number;
  readonly #high: number;
  readonly #known = new Map<string, boolean>();

  /** `all`: in the order of their texts. */
  constructor(all: readonly string[], names: ReadonlySet<string>) {
    const words = new Uint32Array(2);
    for (const [i, name] of all.entries()) {
      if (names.has(name)) words[i >>> 5]! |= 1 << (i & 31);
    }
    [this.#low, this.#high] = [words[0]!, words[1]!];
  }

  /** Whether one of them is in the set, which is written as in `KeyStats`. */
  meet(set: string): boolean {
    let found = this.#known.get(set);
    if (found === undefined) {
      const at = Math.max(set.length - 8, 0);
      const low = Number.parseInt(set.slice(at), 16);
      const high = at > 0 ? Number.parseInt(set.slice(0, at), 16) : 0;
      found = (low & this.#low) !== 0 || (high & this.#high) !== 0;
      if (this.#known.size === MAX_SETS) this.#known.clear();
      this.#known.set(set, found);
    }
    return found;
  }
}

/** What the catalog lists of a key with one type. */
export type ListedKey = Pick<KeyStats, "type" | "values">;

type FoundValues = {
  readonly values: readonly string[];
  readonly services: readonly string[];
  readonly some: SomeOfServices;
  readonly listed: ListedKey;
};

/** Tells which of the values that the catalog lists some services have. */
export class ValuesOfServices {
  readonly #services: SegmentServices;
  /** By list of values. */
  readonly #found = new Map<readonly string[], FoundValues>();
  #last: FoundValues | undefined;

  constructor(services: SegmentServices) {
    this.#services = services;
  }

  /** Undefined where the catalog does not know. The same object for segments with the same lists. */
  of(meta: SegmentWithKeys, { type, values, services, complete }: KeyStats): ListedKey | undefined {
    if (!complete || services === undefined) return undefined;
    const some = this.#services.in(meta);
    if (some === undefined) return undefined;
    let found = this.#last?.values === values ? this.#last : this.#found.get(values);
    if (found?.services !== services || found.some !== some || found.listed.type !== type) {
      const listed = { type, values: values.filter((_, i) => some.meet(services[i]!)) };
      found = { values, services, some, listed };
      if (this.#found.size === MAX_LISTS) this.#found.clear();
      this.#found.set(values, found);
    }
    this.#last = found;
    return found.listed;
  }
}

/** Whether spans of the services have a key of a segment; undefined where the catalog does not know. */
export function haveKey(
  some: SomeOfServices | undefined,
  { scope, key, keyServices }: KeyStats,
): boolean | undefined {
  const have = keyServices === undefined ? undefined : some?.meet(keyServices);
  // Of some senders services have a name without that attribute.
  const isName = scope === "resource" && key === "service.name";
  return isName && have === false ? undefined : have;
}
