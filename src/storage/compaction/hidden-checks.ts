import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { Catalog } from "../catalog/catalog.ts";

/**
 * Which segments were seen to hold none of the traces that they are said to hide: trace filters name
 * some in vain, and a segment must not be read for them again and again. Kept in memory alone: after
 * a restart each is looked at once more, which reads its trace ids and no more.
 */
export class HiddenChecks {
  readonly #catalog: Pick<Catalog, "segment">;
  readonly #absent = new Map<string, ReadonlySet<string>>();

  constructor(catalog: Pick<Catalog, "segment">) {
    this.#catalog = catalog;
  }

  /** Whether the segment may still hold spans of its `hiddenTraces`. */
  mayHold({ id, hiddenTraces }: Pick<SegmentSummary, "id" | "hiddenTraces">): boolean {
    if (hiddenTraces === undefined || hiddenTraces.length === 0) return false;
    const absent = this.#absent.get(id);
    return absent === undefined || hiddenTraces.some((trace) => !absent.has(trace));
  }

  /** The segment, which is in the catalog, holds none of these traces. */
  holdsNone(segmentId: string, traceIds: ReadonlySet<string>): void {
    // What left the catalog meanwhile is never asked for again.
    for (const id of this.#absent.keys()) {
      if (this.#catalog.segment(id) === undefined) this.#absent.delete(id);
    }
    const hidden = this.#catalog.segment(segmentId)?.hiddenTraces ?? [];
    const before = this.#absent.get(segmentId);
    const absent = hidden.filter((trace) => traceIds.has(trace) || before?.has(trace));
    if (absent.length > 0) this.#absent.set(segmentId, new Set(absent));
  }
}
