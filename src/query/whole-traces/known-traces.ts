import type { SegmentSummary } from "../../schema/segment-meta.ts";

/** When a trace's part starts and ends, as its segment stores it. */
export type PartTimes = { readonly startUnixNano: bigint; readonly endUnixNano: bigint };
export type KnownPart = PartTimes & { readonly meta: SegmentSummary };

/** A trace as far as its parts are known, and where it was looked for, in vain or not. */
export type KnownTrace = {
  readonly traceId: string;
  readonly parts: KnownPart[];
  /** Of its id, for trace filters, once it is needed. */
  hash: Uint32Array | undefined;
  tried: Set<SegmentSummary> | undefined;
};

export class KnownTraces {
  readonly #traces = new Map<string, KnownTrace>();

  all(): KnownTrace[] {
    return [...this.#traces.values()];
  }

  add(traceId: string, part: KnownPart, hash?: Uint32Array): void {
    const trace = this.#traces.get(traceId);
    if (trace === undefined) {
      this.#traces.set(traceId, { traceId, parts: [part], hash, tried: undefined });
    } else if (!hasPart(trace, part.meta)) trace.parts.push(part);
  }
}

export function hasPart({ parts }: KnownTrace, meta: SegmentSummary): boolean {
  return parts.some((part) => part.meta === meta);
}
