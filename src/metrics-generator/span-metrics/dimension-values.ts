import { AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import type { BatchAttributes } from "../batch-attributes.ts";
import { valueText } from "../value-text.ts";

/** Values of a span's attributes, those of its resource first, as numbers and as texts. */
export class DimensionValues {
  readonly #batch: SpanBatch;
  readonly #attributes: BatchAttributes;
  /** Of values that are no strings, by text. */
  readonly #numbers = new Map<string, number>();

  constructor(batch: SpanBatch, attributes: BatchAttributes) {
    this.#batch = batch;
    this.#attributes = attributes;
  }

  /**
   * Equal for spans of one resource with equal values of the key. 0 where the resource has it or
   * nobody does.
   */
  number(row: number, key: number): number {
    const { attributes, resource, strings } = this.#batch;
    if (this.#attributes.ofResource(resource[row]!, key) >= 0) return 0;
    const entry = this.#attributes.ofSpan(row, key);
    if (entry < 0) return 0;
    if (attributes.types[entry] === AttributeType.string) return 2 * attributes.values[2 * entry]!;
    const text = valueText(attributes, entry, strings);
    const known = this.#numbers.get(text) ?? 2 * this.#numbers.size + 1;
    this.#numbers.set(text, known);
    return known;
  }

  /** '' where nobody has it. */
  text(row: number, key: number): string {
    const { attributes, resourceAttributes, resource, strings } = this.#batch;
    const ofResource = this.#attributes.ofResource(resource[row]!, key);
    if (ofResource >= 0) return valueText(resourceAttributes, ofResource, strings);
    const ofSpan = this.#attributes.ofSpan(row, key);
    return ofSpan < 0 ? "" : valueText(attributes, ofSpan, strings);
  }
}
