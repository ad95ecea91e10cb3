import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import { Encoding } from "../parquet/column-chunk.ts";
import type { ByteSource } from "./byte-source.ts";
import { deltaValues } from "./delta-values.ts";
import { HybridReader } from "./hybrid-reader.ts";
import type { PageHeader } from "./page-header.ts";
import { dictionaryValues, PlainValues } from "./plain-values.ts";
import { corrupt, unsupported } from "./read-error.ts";
import type { GroupPlace } from "./read-footer.ts";
import type { Leaf } from "./read-schema.ts";
import { pageBody, walkPages } from "./walk-pages.ts";

/** The levels of some rows, and for each level its value or NULL. A flat column has no levels. */
export type LeafData = {
  readonly reps: number[];
  readonly defs: number[];
  readonly values: SqlValue[];
};

/** A row may have 65 535 events or attributes; so many values would hold the thread for long. */
const MAX_LEAF_VALUES = 200_000;

/**
 * Rows `fromRow .. toRow` of the group, counted in it, at least one. Only the pages that hold them
 * are decompressed; of a nested column also those in front, since only their levels tell the rows.
 */
export async function readLeaf(
  source: ByteSource,
  group: GroupPlace,
  leaf: Leaf,
  fromRow: number,
  toRow: number,
): Promise<LeafData> {
  const chunk = group.chunks[leaf.index]!;
  const out: LeafData = { reps: [], defs: [], values: [] };
  let dictionaryBody: Uint8Array | undefined;
  let row = 0;
  let levelCount = 0;
  await walkPages(source, chunk, async (page, dictionary) => {
    levelCount += page.valueCount;
    if (levelCount > chunk.valueCount) throw corrupt("a chunk has more values than it says");
    if (leaf.maxRep === 0 && row + page.valueCount <= fromRow) {
      row += page.valueCount;
      return "more";
    }
    const body = await pageBody(source, chunk, page);
    // What the last page holds need not be counted.
    const rest = levelCount === chunk.valueCount ? group.rowCount - row : undefined;
    const levels = new PageLevels(leaf, page, body, rest);
    const rowCount = levels.rowCount;
    if (row + rowCount > fromRow) {
      const taken = levels.take(Math.max(fromRow - row, 0), Math.min(toRow - row, rowCount), out);
      if (taken.present > 0) {
        let values: SqlValue[];
        if (page.encoding === Encoding.plain) {
          values = plainValues(leaf, body, levels.valuesAt, taken);
        } else if (page.encoding === Encoding.delta) {
          if (leaf.type !== "BIGINT" && leaf.type !== "TIMESTAMP_NS") {
            throw unsupported(`differences of ${leaf.type}`);
          }
          values = deltaValues(body, levels.valuesAt, taken.skipped, taken.present);
        } else {
          if (page.encoding !== Encoding.rleDictionary) {
            throw unsupported(`encoding ${page.encoding}`);
          }
          if (dictionary === undefined) throw corrupt("codes without a dictionary");
          dictionaryBody ??= await pageBody(source, chunk, dictionary);
          const codes = takeCodes(body, levels.valuesAt, taken);
          values = dictionaryValues(leaf.type, dictionaryBody, dictionary.valueCount, codes);
        }
        spread(values, taken, leaf, out);
      } else for (let i = 0; i < taken.count; i++) out.values.push(null);
    }
    if (out.values.length > MAX_LEAF_VALUES) throw unsupported("rows of so many elements");
    row += rowCount;
    return row >= toRow ? "done" : "more";
  });
  if (row < toRow) throw corrupt("a chunk has fewer rows than its group");
  return out;
}

/** What was taken of a page. */
type Taken = {
  /** Levels. */
  readonly count: number;
  /** Values of the page in front of them. */
  readonly skipped: number;
  /** Their values. */
  readonly present: number;
};

/** The levels in front of a data page's values. */
class PageLevels {
  readonly rowCount: number;
  readonly valuesAt: number;
  readonly #leaf: Leaf;
  readonly #reps: HybridReader | undefined;
  readonly #defs: HybridReader | undefined;

  /** `rowCount` is that of the page where it is known without counting. */
  constructor(leaf: Leaf, page: PageHeader, body: Uint8Array, rowCount: number | undefined) {
    this.#leaf = leaf;
    const count = page.valueCount;
    let at = 0;
    let rows = count;
    if (leaf.maxRep > 0) {
      const section = levelSection(body, at);
      const levels = () =>
        new HybridReader(body, section.from, section.to, bitsOf(leaf.maxRep), count);
      this.#reps = levels();
      if (levels().skipToZero(0) > 0) throw unsupported("a row that goes on over a page's end");
      rows = rowCount ?? levels().skipCounting(count, 0);
      at = section.to;
    }
    if (leaf.maxDef > 0) {
      const section = levelSection(body, at);
      this.#defs = new HybridReader(body, section.from, section.to, bitsOf(leaf.maxDef), count);
      at = section.to;
    }
    this.rowCount = rows;
    this.valuesAt = at;
  }

  /** Appends the levels of the page's rows `from .. to`. May be called once. */
  take(from: number, to: number, out: LeafData): Taken {
    let passed = from;
    let count = to - from;
    if (this.#reps) {
      passed = this.#reps.skipToZero(from);
      const before = out.reps.length;
      this.#reps.takeZeros(to - from, out.reps);
      count = out.reps.length - before;
    }
    if (this.#defs === undefined) return { count, skipped: passed, present: count };
    const { maxDef } = this.#leaf;
    const skipped = this.#defs.skipCounting(passed, maxDef);
    const before = out.defs.length;
    this.#defs.take(count, out.defs);
    let present = 0;
    for (let i = before; i < out.defs.length; i++) {
      const def = out.defs[i]!;
      if (def > maxDef) throw corrupt("a level is deeper than its column");
      if (def === maxDef) present++;
    }
    return { count, skipped, present };
  }
}

export function levelSection(body: Uint8Array, at: number): { from: number; to: number } {
  const from = at + 4;
  if (from > body.length) throw corrupt("a page ends early");
  const length =
    (body[at]! | (body[at + 1]! << 8) | (body[at + 2]! << 16) | (body[at + 3]! << 24)) >>> 0;
  if (length > body.length - from) throw corrupt("levels end behind their page");
  return { from, to: from + length };
}

function bitsOf(maxLevel: number): number {
  return 32 - Math.clz32(maxLevel);
}

function plainValues(leaf: Leaf, body: Uint8Array, at: number, taken: Taken): SqlValue[] {
  const plain = new PlainValues(leaf.type, body, at);
  const values: SqlValue[] = [];
  for (let i = 0; i < taken.present; i++) values.push(plain.value(taken.skipped + i));
  return values;
}

function takeCodes(body: Uint8Array, at: number, { skipped, present }: Taken): number[] {
  const codes: number[] = [];
  const reader = codeReader(body, at, skipped + present);
  reader.skip(skipped);
  reader.take(present, codes);
  return codes;
}

/** The codes of a dictionary coded page: a byte for their width in front of them. */
export function codeReader(body: Uint8Array, at: number, count: number): HybridReader {
  const width = body[at];
  if (width === undefined) throw corrupt("a page ends early");
  return new HybridReader(body, at + 1, body.length, width, count);
}

/** Appends the values, and NULL for each of the last levels that has none. */
function spread(values: readonly SqlValue[], taken: Taken, leaf: Leaf, out: LeafData): void {
  if (taken.present === taken.count) {
    for (const value of values) out.values.push(value);
    return;
  }
  const first = out.defs.length - taken.count;
  let next = 0;
  for (let i = 0; i < taken.count; i++) {
    out.values.push(out.defs[first + i] === leaf.maxDef ? values[next++]! : null);
  }
}
