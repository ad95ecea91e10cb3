import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { hexToBytes } from "../../util/hex.ts";
import { mayContainHash, traceIdHash } from "../segments/trace-filter.ts";
import { type Catalog, DETAILS_PORTION } from "./catalog.ts";
import type { Redaction } from "./redaction.ts";

/** Longest probing without a pause. */
const TURN_MS = 20;

/** Which traces of which segments are hidden while redactions are under way. */
export class HiddenTraces {
  readonly #byTenant = new Map<string, Map<string, Uint32Array>>();

  /** Those that are done hide nothing. */
  constructor(redactions: Iterable<Pick<Redaction, "tenant" | "state" | "traceIds">>) {
    for (const { tenant, state, traceIds } of redactions) {
      if (state === "done") continue;
      const hashes = this.#byTenant.get(tenant) ?? new Map<string, Uint32Array>();
      for (const id of traceIds) hashes.set(id, traceIdHash(hexToBytes(id)));
      if (hashes.size > 0) this.#byTenant.set(tenant, hashes);
    }
  }

  /** Tenants that have any. */
  has(tenant: string): boolean {
    return this.#byTenant.has(tenant);
  }

  /** Those that a segment with this trace filter may hold; `undefined` for none. */
  of(tenant: string, traceFilter: Uint8Array): readonly string[] | undefined {
    const ids: string[] = [];
    for (const [id, hash] of this.#byTenant.get(tenant) ?? []) {
      if (mayContainHash(traceFilter, hash)) ids.push(id);
    }
    return ids.length === 0 ? undefined : ids;
  }

  /** The same for many segments, by their ids; other work gets its turn meanwhile. */
  async ofAll(
    segments: readonly SegmentSummary[],
    loadFilters: Catalog["loadFilters"],
  ): Promise<Map<string, readonly string[]>> {
    const hidden = new Map<string, readonly string[]>();
    const asked = segments.filter(({ tenant }) => this.has(tenant));
    let began = performance.now();
    for (let at = 0; at < asked.length; at += DETAILS_PORTION) {
      using loaded = await loadFilters(asked.slice(at, at + DETAILS_PORTION));
      for (const { id, tenant, traceFilter } of loaded.segments) {
        const ids = this.of(tenant, traceFilter);
        if (ids !== undefined) hidden.set(id, ids);
        if (performance.now() - began < TURN_MS) continue;
        await new Promise((resolve) => setTimeout(resolve));
        began = performance.now();
      }
    }
    return hidden;
  }
}
