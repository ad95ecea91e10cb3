import { AttributeType } from "../../model/attribute-columns.ts";
import type { StringTable } from "../../model/string-table.ts";
import { dedicatedColumn } from "../../schema/columns.ts";
import { utf8Text } from "../../util/utf8-text.ts";
import type { AttributeSlots } from "./attribute-slots.ts";

/** A slot that has its own column. */
export type DedicatedSlot = {
  readonly scope: "span" | "resource";
  readonly slot: number;
  readonly column: string;
};

/** More columns would cost every `SELECT *` and every footer; rarer keys rest in the maps. */
const MAX_DEDICATED = 128;
const MAX_KEY_BYTES = 128;
/** Share of all spans, or of one service's spans, from which a span key has a column. */
const MIN_SPAN_SHARE = 0.005;
const MIN_SERVICE_SHARE = 0.3;
/** A column costs some hundred bytes of footer, so a handful of values never gets one. */
const MIN_VALUES = 20;

export type DedicatedInput = {
  readonly strings: StringTable;
  readonly spanSlots: AttributeSlots;
  readonly resourceSlots: AttributeSlots;
  /** Spans that carry a resource slot. */
  readonly resourceSlotSpans: (slot: number) => number;
  /** Resource slots that never get a column (`service.name`). */
  readonly isReserved: (slot: number) => boolean;
  readonly spanCount: number;
  /** Service name's string id by row. */
  readonly serviceOfRow: (row: number) => number;
  /** Columns that queries asked for lately: they come first, and may be rarer. */
  readonly usedKeys: ReadonlySet<string>;
};

type Candidate = {
  readonly scope: "span" | "resource";
  readonly slot: number;
  readonly count: number;
  readonly isUsed: boolean;
};

/** Chooses the columns of a segment: used keys first, then the most frequent, in a stable order. */
export function chooseDedicated(input: DedicatedInput): DedicatedSlot[] {
  const { spanSlots, resourceSlots, strings, usedKeys } = input;
  const candidates: Candidate[] = [];
  const isUsed = (scope: "span" | "resource", slots: AttributeSlots, slot: number): boolean => {
    if (usedKeys.size === 0) return false;
    const key = columnKey(strings, slots.keys[slot]!);
    return key !== undefined && usedKeys.has(dedicatedColumn(scope, key));
  };
  const isCommon = serviceShareTest(input);
  for (const slot of dominantSlots(spanSlots, (s) => spanSlots.ends[s]! - spanSlots.starts[s]!)) {
    const count = spanSlots.ends[slot]! - spanSlots.starts[slot]!;
    if (count < MIN_VALUES) continue;
    const used = isUsed("span", spanSlots, slot);
    if (used || count >= MIN_SPAN_SHARE * input.spanCount || isCommon(slot)) {
      candidates.push({ scope: "span", slot, count, isUsed: used });
    }
  }
  const spansOf = (s: number) => (input.isReserved(s) ? 0 : input.resourceSlotSpans(s));
  for (const slot of dominantSlots(resourceSlots, spansOf)) {
    const used = isUsed("resource", resourceSlots, slot);
    candidates.push({ scope: "resource", slot, count: spansOf(slot), isUsed: used });
  }
  candidates.sort(
    (a, b) =>
      Number(b.isUsed) - Number(a.isUsed) ||
      b.count - a.count ||
      (a.scope === b.scope ? a.slot - b.slot : a.scope < b.scope ? 1 : -1),
  );

  const chosen: DedicatedSlot[] = [];
  const taken = new Set<string>();
  for (const { scope, slot } of candidates) {
    if (chosen.length === MAX_DEDICATED) break;
    const slots = scope === "span" ? spanSlots : resourceSlots;
    const key = columnKey(strings, slots.keys[slot]!);
    if (key === undefined) continue;
    const column = dedicatedColumn(scope, key);
    // DuckDB takes names that differ by case only for one name.
    const folded = column.toLowerCase();
    if (taken.has(folded)) continue;
    taken.add(folded);
    chosen.push({ scope, slot, column });
  }
  return chosen;
}

/** For each key the slot of its most frequent type that may have a column, if it has values. */
function dominantSlots(slots: AttributeSlots, countOf: (slot: number) => number): number[] {
  const best = new Map<number, number>();
  for (let slot = 0; slot < slots.count; slot++) {
    if (slots.starts[slot] === slots.ends[slot] || slots.types[slot] === AttributeType.json)
      continue;
    const count = countOf(slot);
    if (count === 0) continue;
    const before = best.get(slots.keys[slot]!);
    if (before === undefined || countOf(before) < count) best.set(slots.keys[slot]!, slot);
  }
  return [...best.values()];
}

/** Whether some service carries the slot on enough of its spans. */
function serviceShareTest(input: DedicatedInput): (slot: number) => boolean {
  const { spanSlots, spanCount, serviceOfRow } = input;
  let totals: Map<number, number> | undefined;
  return (slot) => {
    if (totals === undefined) {
      totals = new Map();
      for (let row = 0; row < spanCount; row++) increment(totals, serviceOfRow(row));
    }
    const counts = new Map<number, number>();
    for (let i = spanSlots.starts[slot]!; i < spanSlots.ends[slot]!; i++) {
      increment(counts, serviceOfRow(spanSlots.owners[i]!));
    }
    for (const [service, count] of counts) {
      if (count >= MIN_VALUES && count >= MIN_SERVICE_SHARE * totals.get(service)!) return true;
    }
    return false;
  };
}

function increment(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** The key as part of a column name; undefined when it would make a bad one. */
function columnKey(strings: StringTable, id: number): string | undefined {
  const { heap, offsets } = strings;
  const start = offsets[id]!;
  const end = offsets[id + 1]!;
  if (start === end || end - start > MAX_KEY_BYTES) return undefined;
  const key = utf8Text(heap, start, end);
  return /[\p{Cc}\u{fffd}]/u.test(key) ? undefined : key;
}
