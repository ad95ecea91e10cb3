import type { SegmentMeta } from "../../schema/segment-meta.ts";
import type { CatalogChange, WalPositions } from "./catalog.ts";

export type RemovedSegment = {
  readonly id: string;
  readonly tenant: string;
  readonly removedUnixMs: number;
};

/** One immutable state of a catalog. */
export class Snapshot {
  readonly #byTenant: ReadonlyMap<string, readonly SegmentMeta[]>;
  readonly #byId: ReadonlyMap<string, SegmentMeta>;
  readonly removed: ReadonlyMap<string, RemovedSegment>;
  readonly walPositions: WalPositions;

  static readonly empty = new Snapshot(new Map(), new Map(), new Map(), {
    cutTo: 0,
    releasedTo: 0,
  });

  private constructor(
    byTenant: ReadonlyMap<string, readonly SegmentMeta[]>,
    byId: ReadonlyMap<string, SegmentMeta>,
    removed: ReadonlyMap<string, RemovedSegment>,
    walPositions: WalPositions,
  ) {
    this.#byTenant = byTenant;
    this.#byId = byId;
    this.removed = removed;
    this.walPositions = walPositions;
  }

  segments(tenant: string): readonly SegmentMeta[] {
    return this.#byTenant.get(tenant) ?? [];
  }

  segment(id: string): SegmentMeta | undefined {
    return this.#byId.get(id);
  }

  tenants(): string[] {
    return [...this.#byTenant.keys()].sort();
  }

  /** An id that is there already is replaced; one to remove that is not there is skipped. */
  with(change: CatalogChange, nowUnixMs: number): Snapshot {
    const byId = new Map(this.#byId);
    const removed = new Map(this.removed);
    const touched = new Set<string>();
    for (const id of change.remove ?? []) {
      const segment = byId.get(id);
      if (segment === undefined) continue;
      byId.delete(id);
      removed.set(id, { id, tenant: segment.tenant, removedUnixMs: nowUnixMs });
      touched.add(segment.tenant);
    }
    for (const segment of change.add ?? []) {
      const before = byId.get(segment.id);
      if (before !== undefined) touched.add(before.tenant);
      byId.set(segment.id, segment);
      removed.delete(segment.id);
      touched.add(segment.tenant);
    }
    const { cutTo = this.walPositions.cutTo, releasedTo = this.walPositions.releasedTo } = change;
    const byTenant = this.#withTenants(touched, byId, change.add ?? []);
    return new Snapshot(byTenant, byId, removed, { cutTo, releasedTo });
  }

  without(ids: readonly string[]): Snapshot {
    const removed = new Map(this.removed);
    for (const id of ids) removed.delete(id);
    return new Snapshot(this.#byTenant, this.#byId, removed, this.walPositions);
  }

  withRemoved(segments: readonly RemovedSegment[]): Snapshot {
    const removed = new Map(this.removed);
    for (const segment of segments) removed.set(segment.id, segment);
    return new Snapshot(this.#byTenant, this.#byId, removed, this.walPositions);
  }

  #withTenants(
    touched: ReadonlySet<string>,
    byId: ReadonlyMap<string, SegmentMeta>,
    added: readonly SegmentMeta[],
  ): ReadonlyMap<string, readonly SegmentMeta[]> {
    const byTenant = new Map(this.#byTenant);
    for (const tenant of touched) {
      const kept = this.segments(tenant).filter((segment) => byId.get(segment.id) === segment);
      const news = added.filter(
        (segment) => segment.tenant === tenant && byId.get(segment.id) === segment,
      );
      const all = [...kept, ...news].sort(newestFirst);
      if (all.length === 0) byTenant.delete(tenant);
      else byTenant.set(tenant, Object.freeze(all));
    }
    return byTenant;
  }
}

function newestFirst(a: SegmentMeta, b: SegmentMeta): number {
  if (a.maxTraceStart !== b.maxTraceStart) return a.maxTraceStart > b.maxTraceStart ? -1 : 1;
  return a.id > b.id ? -1 : 1;
}
