import type { SegmentMeta } from "../../src/schema/segment-meta.ts";
import type { Catalog, CatalogChange, WalPositions } from "../../src/storage/catalog/catalog.ts";
import type { Redaction } from "../../src/storage/catalog/redaction.ts";
import { mayContain } from "../../src/storage/segments/trace-filter.ts";
import { WHOLE_SEGMENTS } from "./loaded-segments.ts";

/** The simplest catalog there can be: a model for the real one, and a fake for others' tests. */
export class MemoryCatalog implements Catalog {
  readonly #nowMs: () => number;
  #segments: SegmentMeta[] = [];
  #removed: { id: string; tenant: string; atMs: number }[] = [];
  #redactions: Redaction[] = [];
  #positions: WalPositions = { cutTo: 0, releasedTo: 0 };

  constructor(nowMs: () => number = () => 0) {
    this.#nowMs = nowMs;
  }

  segments(tenant: string): readonly SegmentMeta[] {
    return this.#segments
      .filter((segment) => segment.tenant === tenant)
      .sort((a, b) => {
        if (a.maxTraceStart !== b.maxTraceStart) return a.maxTraceStart > b.maxTraceStart ? -1 : 1;
        return a.id > b.id ? -1 : 1;
      });
  }

  segment(id: string): SegmentMeta | undefined {
    return this.#segments.find((segment) => segment.id === id);
  }

  readonly loadKeys = WHOLE_SEGMENTS.loadKeys;
  readonly loadFilters = WHOLE_SEGMENTS.loadFilters;

  tenants(): readonly string[] {
    return [...new Set(this.#segments.map(({ tenant }) => tenant))].sort();
  }

  walPositions(): WalPositions {
    return this.#positions;
  }

  redactions(): readonly Redaction[] {
    return this.#redactions;
  }

  async commit(change: CatalogChange): Promise<void> {
    const { add = [], remove = [], stored = [], redactions = [], ...positions } = change;
    const leaving = this.#segments.filter(({ id }) => remove.includes(id));
    const fresh = [...new Map(add.map((segment) => [segment.id, segment])).values()];
    const gone = (id: string) => remove.includes(id) || fresh.some((one) => one.id === id);
    this.#segments = [...this.#segments.filter(({ id }) => !gone(id)), ...fresh];
    for (const { id, object } of stored) {
      this.#segments = this.#segments.map((one) => (one.id === id ? { ...one, object } : one));
    }
    const changed = (id: string) => redactions.some((one) => one.id === id);
    this.#redactions = [...this.#redactions.filter(({ id }) => !changed(id)), ...redactions].sort(
      (a, b) => (a.id < b.id ? -1 : 1),
    );
    this.#segments = this.#segments.map((one) => hidden(one, this.#redactions));
    this.#removed = [
      ...this.#removed,
      ...leaving.map(({ id, tenant }) => ({ id, tenant, atMs: this.#nowMs() })),
    ].filter(({ id }) => !fresh.some((one) => one.id === id));
    this.#positions = {
      cutTo: positions.cutTo ?? this.#positions.cutTo,
      releasedTo: positions.releasedTo ?? this.#positions.releasedTo,
    };
  }

  deletable(graceMs: number): readonly { id: string; tenant: string }[] {
    return this.#removed
      .filter(({ atMs }) => atMs <= this.#nowMs() - graceMs)
      .map(({ id, tenant }) => ({ id, tenant }));
  }

  async forget(ids: readonly string[]): Promise<void> {
    this.#removed = this.#removed.filter(({ id }) => !ids.includes(id));
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function hidden(segment: SegmentMeta, redactions: readonly Redaction[]): SegmentMeta {
  const { hiddenTraces: _, ...rest } = segment;
  const ids = redactions
    .filter(({ tenant, state }) => tenant === segment.tenant && state === "hiding")
    .flatMap(({ traceIds }) => traceIds)
    .filter((id) => mayContain(segment.traceFilter, Uint8Array.from(Buffer.from(id, "hex"))));
  return ids.length === 0 ? rest : { ...rest, hiddenTraces: ids };
}
