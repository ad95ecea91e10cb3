import { type AttributeColumns, AttributeType } from "../model/attribute-columns.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import { doubleOf } from "../util/number-words.ts";
import type { BatchAttributes } from "./batch-attributes.ts";
import type { MultiplierSettings } from "./settings.ts";

/** For how many spans each span of a batch stands. */
export class Multipliers {
  readonly #batch: SpanBatch;
  readonly #attributes: BatchAttributes;
  readonly #key: number;
  readonly #fromTraceState: boolean;
  /** By string id of the trace state. */
  readonly #ofTraceState = new Map<number, number | undefined>();

  /** `attributes` know the key of the settings. */
  constructor(batch: SpanBatch, attributes: BatchAttributes, settings: MultiplierSettings) {
    this.#batch = batch;
    this.#attributes = attributes;
    this.#key = settings.key === "" ? -1 : attributes.keys.indexOf(settings.key);
    this.#fromTraceState = settings.fromTraceState;
  }

  of(row: number): number {
    return this.#sampled(row) ?? this.#ofKey(row) ?? 1;
  }

  #sampled(row: number): number | undefined {
    const id = this.#batch.traceState[row]!;
    if (!this.#fromTraceState || id === 0) return undefined;
    if (this.#ofTraceState.has(id)) return this.#ofTraceState.get(id);
    const found = traceStateMultiplier(this.#batch.strings.text(id));
    this.#ofTraceState.set(id, found);
    return found;
  }

  #ofKey(row: number): number | undefined {
    if (this.#key < 0) return undefined;
    const { attributes, resourceAttributes, resource } = this.#batch;
    return (
      reciprocal(attributes, this.#attributes.ofSpan(row, this.#key)) ??
      reciprocal(resourceAttributes, this.#attributes.ofResource(resource[row]!, this.#key))
    );
  }
}

/** Of a double above zero; other values say nothing. */
function reciprocal(columns: AttributeColumns, entry: number): number | undefined {
  if (entry < 0 || columns.types[entry] !== AttributeType.double) return undefined;
  const value = doubleOf(columns.values[2 * entry]!, columns.values[2 * entry + 1]!);
  return value > 0 ? 1 / value : undefined;
}

const THRESHOLD_BITS = 56n;

/** By the threshold `th` in the member `ot`: the share of spans that were left out, of 2^56. */
export function traceStateMultiplier(traceState: string): number | undefined {
  for (const member of traceState.split(",")) {
    const [vendor, value = ""] = member.trim().split("=", 2);
    if (vendor !== "ot") continue;
    for (const part of value.split(";")) {
      if (!part.startsWith("th:")) continue;
      const digits = part.slice(3);
      if (!/^[0-9a-fA-F]{1,14}$/.test(digits)) return undefined;
      const all = 1n << THRESHOLD_BITS;
      const rejected = BigInt(`0x${digits.padEnd(14, "0")}`);
      return Number(all) / Number(all - rejected);
    }
  }
  return undefined;
}
