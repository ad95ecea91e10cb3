import { AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import type { KeyStats } from "../../schema/segment-meta.ts";
import { attributeMaps, type MapColumn } from "./attribute-maps.ts";
import { type AttributeSlots, groupBySlot, SlotScratch } from "./attribute-slots.ts";
import { resourceColumn, spanColumn } from "./dedicated-columns.ts";
import { chooseDedicated } from "./dedicated-keys.ts";
import { SlotCounter, type SlotOwners } from "./key-stats.ts";
import type { LeafColumn } from "./parquet/leaf-column.ts";
import type { ValueDomain } from "./parquet/value-domain.ts";
import type { SpanOrder } from "./span-order.ts";
import { isText } from "./trace-columns.ts";
import type { ValueCounter } from "./value-counts.ts";
import {
  type NumberedServices,
  type ServiceSets,
  servicesOfParts,
  servicesOfScopes,
} from "./value-services.ts";

/** The columns made from it are written before `writeSegment`, which does not wait, returns. */
const spanScratch = new SlotScratch();

const SERVICE_NAME = new TextEncoder().encode("service.name");

export type SegmentAttributes = {
  readonly dedicated: readonly LeafColumn[];
  readonly maps: readonly MapColumn[];
  readonly stats: readonly KeyStats[];
};

export type SegmentAttributesInput = {
  readonly batch: SpanBatch;
  readonly order: SpanOrder;
  readonly serviceOf: Uint32Array;
  readonly resourceOfRow: Uint32Array;
  readonly scopeOfRow: Uint32Array;
  /** Rows of each resource and of each scope. */
  readonly spansOfResource: Uint32Array;
  readonly spansOfScope: Uint32Array;
  readonly strings: ValueDomain;
  readonly counter: ValueCounter;
  /** Undefined when services are not numbered. */
  readonly services: NumberedServices | undefined;
  readonly serviceSets: ServiceSets | undefined;
  readonly seed: number;
  /** See `SegmentIdentity`. */
  readonly usedKeys: ReadonlySet<string>;
};

/**
 * Service name of each resource as a string id: its last `service.name` of type string, else what
 * the decoder says.
 */
export function serviceNames(batch: SpanBatch): Uint32Array {
  const { offsets, keys, types, values } = batch.resourceAttributes;
  const services = batch.resourceServiceName.slice(0, batch.resourceCount);
  for (let resource = 0; resource < batch.resourceCount; resource++) {
    for (let i = offsets[resource]!; i < offsets[resource + 1]!; i++) {
      if (types[i] !== AttributeType.string) continue;
      if (isText(batch.strings, keys[i]!, SERVICE_NAME)) services[resource] = values[2 * i]!;
    }
  }
  return services;
}

/** Finds homes for all span, resource and scope attributes, and counts their values. */
export function segmentAttributes(input: SegmentAttributesInput): SegmentAttributes {
  const { batch, order, strings, resourceOfRow, spansOfResource } = input;
  const stringCount = batch.strings.count;
  const spanSlots = groupBySlot(batch.attributes, order.spans, stringCount, spanScratch);
  const resourceSlots = groupBySlot(batch.resourceAttributes, undefined, stringCount);
  const scopeSlots = groupBySlot(batch.scopeAttributes, undefined, stringCount);
  const isServiceName = (slot: number) =>
    resourceSlots.types[slot] === AttributeType.string &&
    isText(batch.strings, resourceSlots.keys[slot]!, SERVICE_NAME);
  const chosen = chooseDedicated({
    strings: batch.strings,
    spanSlots,
    resourceSlots,
    resourceSlotSpans: (slot) => weightOf(resourceSlots, slot, spansOfResource),
    isReserved: isServiceName,
    spanCount: order.rowCount,
    serviceOfRow: (row) => input.serviceOf[resourceOfRow[row]!]!,
    usedKeys: input.usedKeys,
  });
  const columnOf = {
    span: new Map(chosen.filter((c) => c.scope === "span").map((c) => [c.slot, c.column])),
    resource: new Map(chosen.filter((c) => c.scope === "resource").map((c) => [c.slot, c.column])),
  };

  // The maps copy their values first: counting replaces those of dedicated slots by ids.
  const { rowCount } = order;
  const used = (spans: Uint32Array, slots: AttributeSlots, entry: number) =>
    spans[slots.owners[entry]!]! > 0;
  const maps = [
    ...attributeMaps("span", spanSlots, rowCount, undefined, strings, {
      slot: (slot) => !columnOf.span.has(slot),
    }),
    ...attributeMaps("resource", resourceSlots, batch.resourceCount, resourceOfRow, strings, {
      slot: (slot) => !columnOf.resource.has(slot),
      entry: (slot, entry) =>
        used(spansOfResource, resourceSlots, entry) &&
        // `service_name` holds it, but cannot tell '' from none.
        (!isServiceName(slot) || resourceSlots.lo[entry] === 0),
    }),
    ...attributeMaps("instrumentation", scopeSlots, batch.scopeCount, input.scopeOfRow, strings, {
      slot: () => true,
      entry: (_slot, entry) => used(input.spansOfScope, scopeSlots, entry),
    }),
  ];

  const { services } = input;
  const counter = new SlotCounter(batch.strings, input.counter, input.serviceSets, input.seed);
  const rowOwners: SlotOwners = { weights: undefined, services: services?.ofRow };
  const resourceOwners: SlotOwners = { weights: spansOfResource, services: services?.ofResource };
  const scopeOwners: SlotOwners = {
    weights: input.spansOfScope,
    services: undefined,
    serviceSets: services && servicesOfScopes(services, input.scopeOfRow, batch.scopeCount),
  };
  const dedicated = new Map<string, LeafColumn>();
  const allRows = new Uint32Array(rowCount);
  for (let row = 0; row < rowCount; row++) allRows[row] = row;
  for (const slot of filledSlots(spanSlots)) {
    const column = columnOf.span.get(slot);
    const dictionary = counter.add("span", spanSlots, slot, rowOwners, column !== undefined);
    if (column) dedicated.set(column, spanColumn(column, spanSlots, slot, dictionary, strings));
  }
  for (const slot of filledSlots(resourceSlots)) {
    const column = columnOf.resource.get(slot);
    const isOwn = column !== undefined;
    const dictionary = counter.add("resource", resourceSlots, slot, resourceOwners, isOwn);
    if (column) {
      const rows = { ofRow: resourceOfRow, spansOf: spansOfResource, all: allRows };
      dedicated.set(column, resourceColumn(column, resourceSlots, slot, dictionary, strings, rows));
    }
  }
  for (const slot of filledSlots(scopeSlots)) {
    counter.add("instrumentation", scopeSlots, slot, scopeOwners, false);
  }
  countLists(batch, counter, services);
  return {
    dedicated: chosen.map(({ column }) => dedicated.get(column)!),
    maps,
    stats: counter.stats,
  };
}

function countLists(
  batch: SpanBatch,
  counter: SlotCounter,
  services: NumberedServices | undefined,
): void {
  for (const scope of ["event", "link"] as const) {
    const attributes = scope === "event" ? batch.eventAttributes : batch.linkAttributes;
    if (attributes.offsets[attributes.ownerCount] === 0) continue;
    const offsets = scope === "event" ? batch.eventOffsets : batch.linkOffsets;
    const ofParts = services && servicesOfParts(services, offsets, batch.resource, batch.spanCount);
    const owners: SlotOwners = { weights: undefined, services: ofParts };
    const slots = groupBySlot(attributes, undefined, batch.strings.count);
    for (const slot of filledSlots(slots)) counter.add(scope, slots, slot, owners, false);
  }
}

function weightOf(slots: AttributeSlots, slot: number, weights: Uint32Array): number {
  let total = 0;
  for (let i = slots.starts[slot]!; i < slots.ends[slot]!; i++) total += weights[slots.owners[i]!]!;
  return total;
}

function* filledSlots(slots: AttributeSlots): Generator<number> {
  for (let slot = 0; slot < slots.count; slot++) {
    if (slots.starts[slot] !== slots.ends[slot]) yield slot;
  }
}
