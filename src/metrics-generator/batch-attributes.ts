import type { AttributeColumns } from "../model/attribute-columns.ts";
import type { SpanBatch } from "../model/span-batch.ts";

const NONE = -1;

/**
 * Where the attributes of some keys are in a batch: entries of `resourceAttributes` and `attributes`,
 * the first of each key. A key is given by its number among `keys`.
 */
export class BatchAttributes {
  readonly keys: readonly string[];
  readonly #batch: SpanBatch;
  readonly #numberOf: ReadonlyMap<string, number>;
  /** By string id: 0 = not looked at, 1 = none of the keys, else the key's number and two. */
  readonly #known: Uint16Array;
  readonly #ofResource: Int32Array;
  readonly #ofSpan: Int32Array;
  #row = NONE;

  /** Fewer than 65,000 keys. */
  constructor(batch: SpanBatch, keys: readonly string[]) {
    this.keys = keys;
    this.#batch = batch;
    this.#numberOf = new Map(keys.map((key, number) => [key, number]));
    this.#known = new Uint16Array(keys.length === 0 ? 0 : batch.strings.count);
    this.#ofResource = new Int32Array(keys.length * batch.resourceCount).fill(NONE);
    this.#ofSpan = new Int32Array(keys.length).fill(NONE);
    for (let resource = 0; resource < batch.resourceCount; resource++) {
      const entries = this.#ofResource.subarray(keys.length * resource);
      this.#find(batch.resourceAttributes, resource, entries);
    }
  }

  /** -1 when the resource does not have the key. */
  ofResource(resource: number, key: number): number {
    return this.#ofResource[this.keys.length * resource + key] ?? NONE;
  }

  /** -1 when the span does not have the key. Cheap for the span that was asked about last. */
  ofSpan(row: number, key: number): number {
    if (row !== this.#row && this.keys.length > 0) {
      this.#row = row;
      this.#ofSpan.fill(NONE);
      this.#find(this.#batch.attributes, row, this.#ofSpan);
    }
    return this.#ofSpan[key] ?? NONE;
  }

  #find(columns: AttributeColumns, owner: number, entries: Int32Array): void {
    if (this.keys.length === 0) return;
    const end = columns.offsets[owner + 1]!;
    for (let entry = columns.offsets[owner]!; entry < end; entry++) {
      const id = columns.keys[entry]!;
      let known = this.#known[id]!;
      if (known === 0) {
        const number = this.#numberOf.get(this.#batch.strings.text(id));
        known = number === undefined ? 1 : number + 2;
        this.#known[id] = known;
      }
      if (known !== 1 && entries[known - 2] === NONE) entries[known - 2] = entry;
    }
  }
}
