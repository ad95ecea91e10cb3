import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { Catalog } from "../catalog/catalog.ts";

export type Waiting = {
  readonly segments: number;
  readonly bytes: number;
  /** `createdUnixMs` of the one that waits longest. */
  readonly oldestUnixMs: number | undefined;
};

/**
 * The segments that the bucket does not have. A tenant's list is looked through once for each
 * version of it, since there may be very many segments and few changes.
 */
export class Backlog {
  readonly #catalog: Pick<Catalog, "segments" | "tenants">;
  readonly #seen = new WeakMap<readonly SegmentSummary[], readonly SegmentSummary[]>();

  constructor(catalog: Pick<Catalog, "segments" | "tenants">) {
    this.#catalog = catalog;
  }

  /** L0 are not among them: they are made again from the write-ahead log. */
  segments(): SegmentSummary[] {
    return this.#catalog.tenants().flatMap((tenant) => {
      const list = this.#catalog.segments(tenant);
      let waiting = this.#seen.get(list);
      if (waiting === undefined) {
        waiting = list.filter(({ level, object }) => level > 0 && object === undefined);
        this.#seen.set(list, waiting);
      }
      return waiting;
    });
  }

  /** Without those in `except`. */
  waiting(except: (id: string) => boolean): Waiting {
    let [segments, bytes] = [0, 0];
    let oldestUnixMs: number | undefined;
    for (const { id, byteSize, createdUnixMs } of this.segments()) {
      if (except(id)) continue;
      segments++;
      bytes += byteSize;
      if (oldestUnixMs === undefined || createdUnixMs < oldestUnixMs) oldestUnixMs = createdUnixMs;
    }
    return { segments, bytes, oldestUnixMs };
  }
}
