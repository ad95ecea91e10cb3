import type { StoredObject } from "../../schema/segment-meta.ts";
import type { CatalogChange, WalPositions } from "./catalog.ts";
import type { CatalogSegment } from "./catalog-segment.ts";
import type { Redaction } from "./redaction.ts";
import { carryIndex } from "./time-index.ts";

/** Traces by the id of the segment that hides them. */
export type HiddenBySegment = ReadonlyMap<string, readonly string[]>;
const NOTHING_HIDDEN: HiddenBySegment = new Map();

export type RemovedSegment = {
  readonly id: string;
  readonly tenant: string;
  readonly removedUnixMs: number;
};

/**
 * What a catalog knows, in memory. The lists handed out never change: a change makes new ones for
 * the tenants that it touches. Its cost is a copy of those, not of everything.
 */
export class CatalogState {
  readonly #byTenant = new Map<string, readonly CatalogSegment[]>();
  readonly #byId = new Map<string, CatalogSegment>();
  readonly #removed = new Map<string, RemovedSegment>();
  readonly #redactions = new Map<string, Redaction>();
  readonly #places = new Places();
  #walPositions: WalPositions = { cutTo: 0, releasedTo: 0 };

  get walPositions(): WalPositions {
    return this.#walPositions;
  }

  get segmentCount(): number {
    return this.#byId.size;
  }

  /** Newest `maxTraceStart` first, ties by id descending. */
  segments(tenant: string): readonly CatalogSegment[] {
    return this.#byTenant.get(tenant) ?? NO_SEGMENTS;
  }

  segment(id: string): CatalogSegment | undefined {
    return this.#byId.get(id);
  }

  tenants(): string[] {
    return [...this.#byTenant.keys()].sort();
  }

  /** Oldest first. */
  redactions(): Redaction[] {
    return [...this.#redactions.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  removed(): RemovedSegment[] {
    return [...this.#removed.values()];
  }

  isRemoved(id: string): boolean {
    return this.#removed.has(id);
  }

  /**
   * An id that is there already is replaced; one to remove that is not there is skipped. `hidden`:
   * for each segment that hides traces after the change, which.
   */
  apply(
    change: Omit<CatalogChange, "add"> & { readonly add?: readonly CatalogSegment[] },
    nowUnixMs: number,
    hidden: HiddenBySegment = NOTHING_HIDDEN,
  ): void {
    const { remove = [], stored = [], redactions = [], cutTo, releasedTo } = change;
    for (const redaction of redactions) this.#redactions.set(redaction.id, redaction);
    const objects = new Map(stored.map(({ id, object }) => [id, object]));
    // First what changes of those that stay, then what comes and goes.
    const changed = this.#changed(objects, redactions, hidden);
    const add = [
      ...changed,
      ...(change.add ?? []).map((one) => {
        const ids = hidden.get(one.id);
        return ids === undefined ? one : one.with({ hiddenTraces: ids });
      }),
    ];
    const leaving = new Map<string, Set<string>>();
    const leave = (id: string) => {
      const segment = this.#byId.get(id);
      if (segment === undefined) return undefined;
      this.#byId.delete(id);
      this.#places.giveBack(segment);
      leaving.set(segment.tenant, (leaving.get(segment.tenant) ?? new Set()).add(id));
      return segment;
    };
    for (const id of remove) {
      const segment = leave(id);
      if (segment === undefined) continue;
      this.#removed.set(id, { id, tenant: segment.tenant, removedUnixMs: nowUnixMs });
    }
    for (const segment of add) {
      leave(segment.id);
      this.#places.give(segment);
      this.#byId.set(segment.id, segment);
      this.#removed.delete(segment.id);
    }
    const coming = Map.groupBy(add, ({ tenant }) => tenant);
    for (const tenant of new Set([...leaving.keys(), ...coming.keys()])) {
      this.#rebuildList(tenant, leaving.get(tenant), coming.get(tenant) ?? []);
    }
    this.#walPositions = {
      cutTo: cutTo ?? this.#walPositions.cutTo,
      releasedTo: releasedTo ?? this.#walPositions.releasedTo,
    };
  }

  /** Segments that are there with another object, or with other traces hidden. */
  #changed(
    objects: ReadonlyMap<string, StoredObject>,
    redactions: readonly Redaction[],
    hidden: HiddenBySegment,
  ): CatalogSegment[] {
    const changed: CatalogSegment[] = [];
    for (const [id, object] of objects) {
      const segment = this.#byId.get(id);
      if (segment !== undefined) changed.push(segment.with({ object }));
    }
    const tenants = new Set(redactions.map(({ tenant }) => tenant));
    for (const tenant of tenants) {
      for (const segment of this.segments(tenant)) {
        const hiddenTraces = hidden.get(segment.id);
        if (hiddenTraces === undefined && segment.hiddenTraces === undefined) continue;
        const object = objects.get(segment.id) ?? segment.object;
        changed.push(segment.with({ object, hiddenTraces }));
      }
    }
    return changed;
  }

  addRemoved(segments: readonly RemovedSegment[]): void {
    for (const segment of segments) this.#removed.set(segment.id, segment);
  }

  forget(ids: readonly string[]): void {
    for (const id of ids) this.#removed.delete(id);
  }

  #rebuildList(
    tenant: string,
    leaving: ReadonlySet<string> | undefined,
    coming: readonly CatalogSegment[],
  ): void {
    const before = this.segments(tenant);
    const list = leaving === undefined ? before : before.filter(({ id }) => !leaving.has(id));
    const all = merge(list, coming.toSorted(newestFirst));
    if (all.length === 0) this.#byTenant.delete(tenant);
    else {
      carryIndex(all, before);
      this.#byTenant.set(tenant, all);
    }
  }
}

/** Gives out numbers, as small ones as there are. */
class Places {
  #count = 0;
  /** Below `#count`, and nobody's. */
  readonly #free: number[] = [];

  give(segment: CatalogSegment): void {
    segment.putAt(this.#free.pop() ?? this.#count++);
  }

  /** The segment keeps its number for the queries that hold it. */
  giveBack({ place }: CatalogSegment): void {
    if (place !== undefined) this.#free.push(place);
  }
}

const NO_SEGMENTS: readonly CatalogSegment[] = Object.freeze([]);

/** Two sorted lists as one. Few of `b` against many of `a` is the usual case: those are copied. */
function merge(a: readonly CatalogSegment[], b: readonly CatalogSegment[]): CatalogSegment[] {
  const all: CatalogSegment[] = [];
  let copied = 0;
  for (const segment of b) {
    const at = positionOf(a, segment, copied);
    for (; copied < at; copied++) all.push(a[copied] as CatalogSegment);
    all.push(segment);
  }
  for (; copied < a.length; copied++) all.push(a[copied] as CatalogSegment);
  return all;
}

/** Index of the first of `list` that comes after `segment`, at or after `from`. */
function positionOf(
  list: readonly CatalogSegment[],
  segment: CatalogSegment,
  from: number,
): number {
  let low = from;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (newestFirst(list[middle] as CatalogSegment, segment) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function newestFirst(a: CatalogSegment, b: CatalogSegment): number {
  if (a.maxTraceStart !== b.maxTraceStart) return a.maxTraceStart > b.maxTraceStart ? -1 : 1;
  return a.id > b.id ? -1 : 1;
}
