import type { ObjectStore } from "../../drivers/objects/object-store.ts";
import { PintailError } from "../../errors.ts";
import { reached } from "../../runtime/failpoints.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { BucketHealth } from "./bucket-health.ts";
import type { BucketMetrics } from "./metrics.ts";
import { segmentKey } from "./object-keys.ts";
import type { RemovedObjects } from "./removed-objects.ts";

export type RemoverParts = {
  readonly catalog: Catalog;
  readonly store: ObjectStore;
  readonly health: BucketHealth;
  readonly isOwner: () => Promise<boolean>;
  /** Deletes the local file. */
  readonly removeFile: (segment: SegmentName) => Promise<void>;
  /** The cache's copies of it. */
  readonly forgetCopies: (id: string) => Promise<void>;
  readonly removed: RemovedObjects;
  readonly metrics: Pick<BucketMetrics, "deleted" | "deleteFailed">;
  /** Ends requests under way. */
  readonly signal: AbortSignal;
};

export type SegmentName = { readonly tenant: string; readonly id: string };

const RETRY_AFTER_MS = 30_000;

/**
 * Deletes what left the catalog: local file, copies, object. Objects of which nobody can have made
 * one (most L0) cost no request.
 */
export class ObjectRemover {
  readonly #parts: RemoverParts;
  /** Ids that the bucket may have. */
  readonly #mayExist = new Set<string>();
  /** Objects whose deletion failed and that nobody else will ask for again. */
  readonly #late = new Map<string, SegmentName>();
  /** What live segments stand for that the bucket does not have yet, by the catalog's list. */
  #held: { readonly lists: readonly (readonly unknown[])[]; readonly ids: ReadonlySet<string> } = {
    lists: [],
    ids: new Set(),
  };

  constructor(parts: RemoverParts) {
    this.#parts = parts;
    const { catalog } = parts;
    // An earlier process may have stored it and ended before it could tell the catalog.
    for (const tenant of catalog.tenants()) {
      for (const { id, level } of catalog.segments(tenant)) if (level > 0) this.mayExist(id);
    }
    for (const { id } of catalog.deletable(Number.NEGATIVE_INFINITY)) this.mayExist(id);
  }

  /** An upload of it begins. */
  mayExist(id: string): void {
    this.#mayExist.add(id);
  }

  /** Whether its object was deleted in the last two days. */
  wasRemoved(id: string): boolean {
    return this.#parts.removed.has(id);
  }

  /**
   * Whether it has to wait: a segment that stands for it is on the local disk alone, and with this
   * object the bucket would lose what it has.
   */
  isHeld(segment: SegmentName): boolean {
    return this.#mayExist.has(segment.id) && this.#heldIds().has(segment.id);
  }

  /**
   * Deletes the segment everywhere, the local file first, since the disk may be full. Rejects when
   * something of it is left; then it is to be called again.
   */
  async remove(segment: SegmentName): Promise<void> {
    const { removeFile, forgetCopies, health } = this.#parts;
    await removeFile(segment);
    await forgetCopies(segment.id);
    reached("deletion:file-gone");
    if (!this.#mayExist.has(segment.id)) return;
    // Thousands may be due: while the bucket is away they must not wait for it one by one.
    if (health.paused) {
      throw new PintailError("unavailable", "the bucket is away", { retryAfterMs: RETRY_AFTER_MS });
    }
    await this.removeObject(segment);
    reached("deletion:object-gone");
  }

  /** Deletes an object that came after its segment had left; tried again by `retryLate`. */
  async removeLate(segment: SegmentName): Promise<void> {
    // The sweep has to find it also when this fails and the process ends.
    this.#parts.removed.add(segment.id);
    this.#late.set(segment.id, segment);
    await this.removeObject(segment);
    this.#late.delete(segment.id);
  }

  /** Called by the owner's timer. Never rejects. */
  async retryLate(): Promise<void> {
    for (const segment of [...this.#late.values()]) {
      if (this.#parts.health.paused || this.#parts.signal.aborted) return;
      try {
        await this.removeLate(segment);
      } catch {
        // Counted; the next round tries again.
        return;
      }
    }
  }

  /** Deletes the object alone. Rejects like the store, and with `unavailable` when it is not ours. */
  async removeObject(segment: SegmentName): Promise<void> {
    const { store, health, isOwner, metrics, signal } = this.#parts;
    try {
      if (!(await isOwner())) {
        throw new PintailError(
          "unavailable",
          `${store.location} belongs to another catalog: object of ${segment.id} not deleted`,
          { retryAfterMs: RETRY_AFTER_MS },
        );
      }
      await health.watch(() => store.delete(segmentKey(segment), { signal }));
    } catch (e) {
      metrics.deleteFailed();
      throw e;
    }
    metrics.deleted(1);
    this.#mayExist.delete(segment.id);
    this.#parts.removed.add(segment.id);
  }

  #heldIds(): ReadonlySet<string> {
    const { catalog } = this.#parts;
    const lists = catalog.tenants().map((tenant) => catalog.segments(tenant));
    const same =
      lists.length === this.#held.lists.length && lists.every((l, i) => l === this.#held.lists[i]);
    if (!same) {
      const ids = lists.flatMap((list) =>
        list.flatMap(({ level, object, replaces }) =>
          level > 0 && object === undefined ? replaces : [],
        ),
      );
      this.#held = { lists, ids: new Set(ids) };
    }
    return this.#held.ids;
  }
}
