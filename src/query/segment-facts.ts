import type { KeyStats, SegmentSummary, SegmentWithKeys } from "../schema/segment-meta.ts";
import { BySegment } from "./by-segment.ts";
import { KeysNamed } from "./keys-named.ts";
import { perContext } from "./per-context.ts";
import type { QueryContext, QueryRun } from "./query-context.ts";

/** What matters of a segment to a query: its columns, and its keys of certain names. */
export type Facts = Pick<SegmentWithKeys, "optionalColumns" | "keys">;

/** Segments of the same senders are alike, so few of the last ones are enough to know again. */
const MAX_LAST = 16;

/**
 * The facts of segments, one object for those that have the same: what is found out from them is
 * found once. Their numbers are those of the first such segment and must not matter.
 */
export class SegmentFacts {
  readonly #named: KeysNamed;
  readonly #bySegment = new BySegment<Facts>();
  readonly #last: Facts[] = [];

  /** `names`: of the keys that matter. */
  constructor(names: ReadonlySet<string>) {
    this.#named = new KeysNamed(names);
  }

  /** Of a segment that was added, unless another one has its place by now. */
  get(meta: SegmentSummary): Facts | undefined {
    return this.#bySegment.get(meta);
  }

  add(meta: SegmentWithKeys): Facts {
    const facts = this.#factsOf(meta);
    // Without a place it would be held for good.
    if (meta.place !== undefined) this.#bySegment.set(meta, facts);
    return facts;
  }

  #factsOf(meta: SegmentWithKeys): Facts {
    const places = this.#named.placesIn(meta);
    const { keys, optionalColumns } = meta;
    for (let i = 0; i < this.#last.length; i++) {
      const facts = this.#last[i]!;
      if (facts.optionalColumns === optionalColumns && areSame(facts.keys, keys, places)) {
        return facts;
      }
    }
    const facts = { optionalColumns, keys: places.map((place) => keys[place]!) };
    if (this.#last.length === MAX_LAST) this.#last.pop();
    this.#last.unshift(facts);
    return facts;
  }

  get pageCount(): number {
    return this.#bySegment.pageCount;
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

/** What is found out from facts, once for all segments that have the same. */
export class ByFacts<T> {
  readonly #find: (facts: Facts) => T;
  readonly #known = new WeakMap<Facts, { readonly found: T }>();
  #last: { readonly facts: Facts; readonly found: T } | undefined;

  constructor(find: (facts: Facts) => T) {
    this.#find = find;
  }

  get(facts: Facts): T {
    if (this.#last?.facts === facts) return this.#last.found;
    let known = this.#known.get(facts);
    if (known === undefined) {
      known = { found: this.#find(facts) };
      this.#known.set(facts, known);
    }
    this.#last = { facts, found: known.found };
    return known.found;
  }
}

/** Sets of names that are remembered. */
const MAX_SETS = 64;
const MAX_NAMES_CHARS = 1000;
/** Of all sets together: some 4 KB each. */
const MAX_PAGES = 2048;

/**
 * Facts of segments that queries share: those that name the same keys as one before look at no
 * segment's statistics again. Of many sets of names the last ones are remembered.
 */
export class KnownFacts {
  /** The one that was used last comes last. */
  readonly #bySet = new Map<string, SegmentFacts>();

  of(names: ReadonlySet<string>): SegmentFacts {
    const key = JSON.stringify([...names].sort());
    const facts = this.#bySet.get(key) ?? new SegmentFacts(names);
    if (key.length > MAX_NAMES_CHARS) return facts;
    this.#bySet.delete(key);
    this.#makeRoom();
    this.#bySet.set(key, facts);
    return facts;
  }

  #makeRoom(): void {
    let pages = 0;
    for (const { pageCount } of this.#bySet.values()) pages += pageCount;
    for (const [key, { pageCount }] of this.#bySet) {
      if (pages <= MAX_PAGES && this.#bySet.size < MAX_SETS) return;
      this.#bySet.delete(key);
      pages -= pageCount;
    }
  }
}

const knownFacts = perContext(() => new KnownFacts());

/** Those that queries of the context share. */
export function factsOf(context: QueryContext, names: ReadonlySet<string>): SegmentFacts {
  return knownFacts(context).of(names);
}

/** Calls `visit` for each of the segments, in their order, with its facts of these names. */
export async function forEachWithFacts(
  run: QueryRun,
  names: ReadonlySet<string>,
  segments: readonly SegmentSummary[],
  visit: (meta: SegmentSummary, facts: Facts) => void,
): Promise<void> {
  const facts = factsOf(run.context, names);
  // Looked up once: meanwhile a query with a later view of the catalog may take a segment's place.
  const known = segments.map((meta) => facts.get(meta));
  const open = segments.filter((_, i) => known[i] === undefined);
  const found = new BySegment<Facts>();
  await run.withKeys(open, (meta) => found.set(meta, facts.add(meta)));
  let next = 0;
  await run.forEach(segments, (meta) => visit(meta, known[next++] ?? found.get(meta)!));
}
