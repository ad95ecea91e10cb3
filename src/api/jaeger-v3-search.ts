import { PintailError } from "../errors.ts";
import type { JaegerSearch } from "./jaeger-search.ts";

/** What a search of Jaeger's third version asks for, by whatever way it came. */
export type JaegerV3Query = {
  readonly service: string;
  readonly operation: string;
  readonly attributes: Iterable<readonly [key: string, value: string]>;
  readonly startUnixNano: bigint | undefined;
  /** Not in the range any more. */
  readonly endUnixNano: bigint | undefined;
  /** Absent and 0 are no bounds. */
  readonly minNanos: bigint | undefined;
  readonly maxNanos: bigint | undefined;
  /** 0 = as many as the server likes. */
  readonly searchDepth: number;
  /** Whether it holds a tree of conditions, which is never ignored: too much would be found. */
  readonly hasFilter: boolean;
};

/** Throws `invalid`. */
export function jaegerV3Search(query: JaegerV3Query): JaegerSearch {
  if (query.hasFilter) throw new PintailError("invalid", "query.filter is not supported");
  const { service, operation, attributes } = query;
  const minNanos = query.minNanos || undefined;
  const maxNanos = query.maxNanos || undefined;
  if (minNanos !== undefined && maxNanos !== undefined && maxNanos < minNanos) {
    throw new PintailError("invalid", "query.duration_max is less than query.duration_min");
  }
  return {
    service,
    operation,
    tags: attributes,
    range: jaegerV3Range("query.start_time_min", "query.start_time_max", query),
    minNanos,
    maxNanos,
    limit: query.searchDepth === 0 ? undefined : query.searchDepth,
  };
}

/** Throws `invalid`, naming the parameters, unless both instants are there and in order. */
export function jaegerV3Range(
  startName: string,
  endName: string,
  range: { readonly startUnixNano: bigint | undefined; readonly endUnixNano: bigint | undefined },
): JaegerSearch["range"] {
  const { startUnixNano, endUnixNano } = range;
  if (startUnixNano === undefined || endUnixNano === undefined) {
    throw new PintailError("invalid", `${startName} and ${endName} are required`);
  }
  if (startUnixNano >= endUnixNano) {
    throw new PintailError("invalid", `${startName} is not before ${endName}`);
  }
  return { startUnixNano, endUnixNano: endUnixNano - 1n };
}
