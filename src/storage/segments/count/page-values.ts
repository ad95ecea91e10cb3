import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import { Encoding } from "../parquet/column-chunk.ts";
import type { ByteSource } from "../read/byte-source.ts";
import { deltaDistances, deltaValue } from "../read/delta-values.ts";
import { PlainValues } from "../read/plain-values.ts";
import { corrupt, unsupported } from "../read/read-error.ts";
import type { ChunkPlace } from "../read/read-footer.ts";
import type { Leaf } from "../read/read-schema.ts";
import { freeBody, type PagePlace, pageBody } from "../read/walk-pages.ts";
import { codesInto, type HybridSection } from "./bulk-hybrid.ts";
import type { WantedValues } from "./entries.ts";

/** Values of a chunk by the numbers that its pages give. */
export type ChunkEntries = {
  /** Higher numbers have no value. */
  readonly count: number;
  /** To be asked with rising numbers. */
  valueOf(number: number): SqlValue;
};

/** Gives the values of a chunk's pages as numbers: a number of its own for each, or the wanted ones'. */
export class PageNumbers {
  readonly #leaf: Leaf;
  readonly #wanted: WantedValues | undefined;
  readonly #maxEntries: number;
  /** By code of the dictionary, the wanted values' numbers. */
  #ofCodes: Int32Array | undefined;
  #dictionary: { readonly body: Uint8Array; readonly count: number } | undefined;
  /** Of values that stand in the pages themselves. */
  #own: Map<SqlValue, number> | undefined;

  /** What the codes' width lets through. */
  #capacity = 0;

  /** Throws `unsupported` beyond `maxEntries` numbers. */
  constructor(leaf: Leaf, wanted: WantedValues | undefined, maxEntries: number) {
    this.#leaf = leaf;
    this.#wanted = wanted;
    this.#maxEntries = maxEntries;
  }

  /** All numbers given so far are below this. */
  get capacity(): number {
    return this.#wanted?.values.length ?? Math.max(this.#capacity, this.#own?.size ?? 0);
  }

  get entries(): ChunkEntries {
    const { values } = this.#wanted ?? {};
    if (values !== undefined) return { count: values.length, valueOf: (n) => values[n]! };
    if (this.#own !== undefined) {
      if (this.#dictionary !== undefined) throw unsupported("values beside a dictionary");
      const own = [...this.#own.keys()];
      return { count: own.length, valueOf: (n) => own[n]! };
    }
    if (this.#dictionary === undefined) return { count: 0, valueOf: () => null };
    const { body, count } = this.#dictionary;
    const plain = new PlainValues(this.#leaf.type, body, 0);
    return { count, valueOf: (n) => plain.value(n) };
  }

  /** Gives back the memory of the dictionary; the entries must not be asked any more. */
  free(chunk: ChunkPlace): void {
    if (this.#dictionary !== undefined) freeBody(chunk, this.#dictionary.body);
    this.#dictionary = undefined;
  }

  async openDictionary(source: ByteSource, chunk: ChunkPlace, page: PagePlace): Promise<void> {
    if (this.#dictionary !== undefined) return;
    const body = await pageBody(source, chunk, page);
    this.#dictionary = { body, count: page.valueCount };
    if (this.#wanted === undefined) {
      this.#bound(page.valueCount);
      return;
    }
    this.#ofCodes = new Int32Array(page.valueCount);
    this.#wanted.numbersInto(this.#leaf.type, body, 0, page.valueCount, this.#ofCodes);
  }

  /** Whether all values of the page have the number 0, whatever its codes are. */
  isConstant(page: PagePlace): boolean {
    return this.hasCodes(page) && this.#dictionary?.count === 1;
  }

  /** Whether the page's codes are the numbers themselves. */
  hasCodes(page: PagePlace): boolean {
    return page.encoding === Encoding.rleDictionary && this.#wanted === undefined;
  }

  /** The codes of a page of a dictionary, and their width. */
  codes(body: Uint8Array, at: number): { section: HybridSection; width: number } {
    if (this.#dictionary === undefined) throw corrupt("codes without a dictionary");
    const width = body[at];
    if (width === undefined) throw corrupt("a page ends early");
    if (this.#wanted === undefined) {
      this.#bound(2 ** width);
      this.#capacity = Math.max(this.#capacity, 2 ** width);
    }
    return { section: { bytes: body, from: at + 1, to: body.length }, width };
  }

  /** Writes the numbers of a page's `count` values, which begin at `at`, to the front of `out`. */
  read(page: PagePlace, body: Uint8Array, at: number, count: number, out: Int32Array): void {
    if (page.encoding === Encoding.rleDictionary) this.#readCodes(body, at, count, out);
    else if (page.encoding === Encoding.plain) this.#readPlain(body, at, count, out);
    else if (page.encoding === Encoding.delta) this.#readDelta(body, at, count, out);
    else throw unsupported(`encoding ${page.encoding}`);
  }

  #readCodes(body: Uint8Array, at: number, count: number, out: Int32Array): void {
    const { section, width } = this.codes(body, at);
    codesInto(section, width, count, out);
    const ofCodes = this.#ofCodes;
    if (ofCodes === undefined) return;
    for (let i = 0; i < count; i++) {
      const code = out[i]!;
      if (code >= ofCodes.length) throw corrupt(`code ${code} of ${ofCodes.length} values`);
      out[i] = ofCodes[code]!;
    }
  }

  #readPlain(body: Uint8Array, at: number, count: number, out: Int32Array): void {
    const { type } = this.#leaf;
    if (this.#wanted !== undefined) {
      this.#wanted.numbersInto(type, body, at, count, out);
      return;
    }
    const plain = new PlainValues(type, body, at);
    for (let i = 0; i < count; i++) out[i] = this.#numberOf(plain.value(i));
  }

  #readDelta(body: Uint8Array, at: number, count: number, out: Int32Array): void {
    if (this.#leaf.type !== "BIGINT") throw unsupported(`differences of ${this.#leaf.type}`);
    const distances = new Float64Array(count);
    const first = deltaDistances(body, at, distances);
    if (this.#wanted === undefined) {
      for (let i = 0; i < count; i++) out[i] = this.#numberOf(deltaValue(first, distances[i]!));
      return;
    }
    const numbers = new Map<number, number>();
    for (const [value, number] of this.#wanted.numbers) {
      // What is farther away than a safe integer is no distance, rounded or not.
      numbers.set(Number(BigInt.asIntN(64, (value as bigint) - first)), number);
    }
    for (let i = 0; i < count; i++) out[i] = numbers.get(distances[i]!) ?? 0;
  }

  #numberOf(value: SqlValue): number {
    this.#own ??= new Map();
    const known = this.#own.get(value);
    if (known !== undefined) return known;
    this.#bound(this.#own.size + 1);
    this.#own.set(value, this.#own.size);
    return this.#own.size - 1;
  }

  #bound(entryCount: number): void {
    if (entryCount > this.#maxEntries) throw unsupported(`${entryCount} values to count`);
  }
}
