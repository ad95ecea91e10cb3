import type { LeafColumn, Levels } from "./leaf-column.ts";

/** Rows of a page of values that take bytes each. */
const PAGE_ROWS = 20_000;
/** A page of narrow codes holds more rows, up to about 64 KiB of codes. */
const PAGE_CODE_BITS = 1 << 19;
const PAGE_BYTES = 1 << 20;
const PAGE_LEVELS = 1 << 16;
const SHORT_VALUE = 64;

/**
 * Cuts the rows of a column chunk into pages, always between rows. After each `next()` the fields
 * tell the page's rows, and its levels and values as positions in the chunk.
 */
export class Pages {
  rowFrom: number;
  rowTo: number;
  valueFrom = 0;
  valueTo = 0;
  levelFrom = 0;
  levelTo = 0;

  readonly #leaf: LeafColumn;
  readonly #firstRow: number;
  readonly #lastRow: number;
  readonly #valueBase: number;
  readonly #levels: Levels | undefined;
  readonly #values: Uint32Array;
  readonly #maxRows: number;
  readonly #measured: boolean;

  /**
   * `valueBase` is the chunk's first position in the presence's `rows`; `codeWidth` is undefined
   * when the values are written plainly.
   */
  constructor(
    leaf: LeafColumn,
    firstRow: number,
    lastRow: number,
    valueBase: number,
    levels: Levels | undefined,
    values: Uint32Array,
    { codeWidth, longestValue }: { codeWidth: number | undefined; longestValue: number },
  ) {
    this.#leaf = leaf;
    this.#firstRow = firstRow;
    this.#lastRow = lastRow;
    this.#valueBase = valueBase;
    this.#levels = levels;
    this.#values = values;
    this.rowFrom = firstRow;
    this.rowTo = firstRow;
    this.#maxRows =
      codeWidth === undefined ? PAGE_ROWS : Math.max(PAGE_ROWS, PAGE_CODE_BITS / codeWidth);
    // Short values need no measuring: the limits on rows and levels bound the page.
    this.#measured = codeWidth === undefined && longestValue > SHORT_VALUE;
  }

  get atEnd(): boolean {
    return this.rowTo === this.#lastRow;
  }

  /** Levels of the page; for a column without levels, its values. */
  get levelCount(): number {
    return this.#levels ? this.levelTo - this.levelFrom : this.rowTo - this.rowFrom;
  }

  next(): void {
    this.rowFrom = this.rowTo;
    this.valueFrom = this.valueTo;
    this.levelFrom = this.levelTo;
    const rowLimit = Math.min(this.rowFrom + this.#maxRows, this.#lastRow) | 0;
    if (!this.#measured) {
      if (this.#levels) this.#takeLevels(this.#levels, rowLimit);
      else {
        this.rowTo = rowLimit;
        this.#takeValuesOfRows();
      }
      return;
    }
    let bytes = 0;
    let row = this.rowFrom;
    do {
      bytes += this.#takeRow(row);
      row++;
    } while (row < rowLimit && bytes < PAGE_BYTES && this.levelTo - this.levelFrom < PAGE_LEVELS);
    this.rowTo = row;
  }

  /** Takes rows up to the limit or until there are enough levels, and the values among these. */
  #takeLevels({ rowStarts, def, maxDef }: Levels, rowLimit: number): void {
    let row = this.rowFrom + 1;
    const enough = this.levelFrom + PAGE_LEVELS;
    while (row < rowLimit && rowStarts[row - this.#firstRow]! < enough) row++;
    this.rowTo = row;
    this.levelTo = rowStarts[row - this.#firstRow]!;
    let values = 0;
    for (let i = this.levelFrom; i < this.levelTo; i++) if (def[i] === maxDef) values++;
    this.valueTo += values;
  }

  #takeValuesOfRows(): void {
    const { presence } = this.#leaf;
    if (presence.kind !== "some") {
      this.valueTo = this.rowTo - this.#firstRow;
      return;
    }
    const { rows } = presence;
    let at = this.#valueBase + this.valueFrom;
    // Whole pages are the rule: look at their last value before walking.
    const whole = at + (this.rowTo - this.rowFrom);
    if (whole <= rows.length && rows[whole - 1] === this.rowTo - 1) at = whole;
    else while (at < rows.length && rows[at]! < this.rowTo) at++;
    this.valueTo = at - this.#valueBase;
  }

  /** Moves over one row; returns the bytes of its values. */
  #takeRow(row: number): number {
    const before = this.valueTo;
    const levels = this.#levels;
    if (levels) {
      const end = levels.rowStarts[row - this.#firstRow + 1]!;
      for (let i = this.levelTo; i < end; i++) if (levels.def[i] === levels.maxDef) this.valueTo++;
      this.levelTo = end;
    } else if (this.#leaf.presence.kind === "some") {
      if (this.#leaf.presence.rows[this.#valueBase + this.valueTo] === row) this.valueTo++;
    } else this.valueTo++;
    if (this.#leaf.values.kind !== "coded") return 0;
    let bytes = 0;
    const { domain } = this.#leaf.values;
    for (let i = before; i < this.valueTo; i++) bytes += domain.plainBytes(this.#values[i]!);
    return bytes;
  }
}
