import type { SpanBatch } from "../../model/span-batch.ts";
import { type KeyStats, MAX_LISTED_VALUES } from "../../schema/segment-meta.ts";
import type { SpanOrder } from "./span-order.ts";
import type { TraceColumns } from "./trace-columns.ts";
import type { ListedCounts, ValueCounter, ValueCounts } from "./value-counts.ts";
import type { NumberedServices, ServiceSets } from "./value-services.ts";

export type IntrinsicStatsInput = {
  readonly batch: SpanBatch;
  readonly order: SpanOrder;
  readonly traces: TraceColumns;
  /** `serviceCounts`. */
  readonly serviceNames: ValueCounts;
  readonly spansOfScope: Uint32Array;
  readonly counter: ValueCounter;
  /** Undefined when services are not numbered. */
  readonly services: NumberedServices | undefined;
  readonly serviceSets: ServiceSets | undefined;
};

/** Names of services (string ids by resource), by how many spans they have. */
export function serviceCounts(
  counter: ValueCounter,
  serviceOf: Uint32Array,
  spansOfResource: Uint32Array,
): ListedCounts {
  addWeighted(counter, serviceOf, spansOfResource);
  return counter.takeListed();
}

function addWeighted(counter: ValueCounter, values: Uint32Array, weights: Uint32Array): void {
  for (let i = 0; i < weights.length; i++)
    if (weights[i]! > 0) counter.add(values[i]!, weights[i]!);
}

/** Statistics of the intrinsics whose values people choose from, '' included. */
export function intrinsicStats(input: IntrinsicStatsInput): KeyStats[] {
  const { batch, order, traces, counter } = input;
  const weighted = (values: Uint32Array, weights: Uint32Array) => {
    addWeighted(counter, values, weights);
    return counter.take();
  };
  const perSpan = (values: Uint32Array, count: number) => {
    counter.addAll(values, 0, count);
    return counter.take();
  };
  const { spanCount } = batch;
  const traceSizes = new Uint32Array(order.traceCount);
  for (let t = 0; t < order.traceCount; t++) {
    traceSizes[t] = order.traceRows[t + 1]! - order.traceRows[t]!;
  }
  const text = (key: string, counts: ValueCounts): KeyStats => ({
    scope: "intrinsic",
    key,
    type: "string",
    ...counts,
    dedicated: key !== "event:name",
  });
  const ofSpans = (key: string, ids: Uint32Array): KeyStats => {
    counter.addAll(ids, 0, spanCount);
    const listed = counter.takeListed();
    const { services, serviceSets } = input;
    const stats = text(key, listed.counts);
    if (services === undefined || !listed.counts.complete) return stats;
    const whose = { owners: batch.resource, services: services.ofResource, weights: undefined };
    const sets = serviceSets?.ofValues(listed.ids, { ids, from: 0, to: spanCount, ...whose });
    return sets === undefined ? stats : { ...stats, services: sets.services };
  };
  const stats = [
    ofSpans("name", batch.name),
    text("service_name", input.serviceNames),
    ofSpans("status_message", batch.statusMessage),
    text("root_service_name", weighted(traces.rootService, traceSizes)),
    text("root_span_name", weighted(traces.rootName, traceSizes)),
    text("scope_name", weighted(batch.scopeName, input.spansOfScope)),
    text("scope_version", weighted(batch.scopeVersion, input.spansOfScope)),
    codes("kind", batch.kind, spanCount),
    codes("status", batch.status, spanCount),
  ];
  const eventCount = batch.eventOffsets[spanCount]!;
  if (eventCount > 0) stats.push(text("event:name", perSpan(batch.eventName, eventCount)));
  return stats;
}

/** Values of an enumeration; the wire allows any int32, but hardly more than a few occur. */
function codes(key: string, values: Int32Array, count: number): KeyStats {
  const small = new Uint32Array(16);
  const others = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (value >= 0 && value < 16) small[value]!++;
    else others.set(value, (others.get(value) ?? 0) + 1);
  }
  for (let value = 0; value < 16; value++) if (small[value]! > 0) others.set(value, small[value]!);
  const ranked = [...others].sort((a, b) => b[1] - a[1]).slice(0, MAX_LISTED_VALUES);
  return {
    scope: "intrinsic",
    key,
    type: "int",
    count,
    distinct: others.size,
    values: ranked.map(([value]) => String(value)),
    complete: ranked.length === others.size,
    dedicated: true,
  };
}
