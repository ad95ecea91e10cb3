import { displayWidth, fitted, printable } from "./display.ts";

export type TableColumn = { readonly name: string; readonly type: string };

/** Widths are taken from the rows of the first page; later, longer texts are cut. */
const PAGE_ROWS = 1_000;
const MIN_COLUMN = 8;
const SEPARATOR = " | ";
const NUMERIC = /^(TINY|SMALL|BIG|HUGE|U.*)?INT(EGER)?$|^(FLOAT|DOUBLE|DECIMAL)/;
const NULL_TEXT = "NULL";

/**
 * Prints rows as an aligned table within `width` columns (Infinity: as wide as needed), or, when
 * there are too many columns for that, as one block of lines per row. Holds one page of rows.
 */
export class Table {
  readonly #columns: readonly TableColumn[];
  readonly #width: number;
  readonly #print: (text: string) => void;
  #page: (readonly (string | null)[])[] = [];
  #widths: readonly number[] | undefined;
  #printed = 0;

  constructor(columns: readonly TableColumn[], width: number, print: (text: string) => void) {
    this.#columns = columns;
    this.#width = width;
    this.#print = print;
  }

  add(row: readonly (string | null)[]): void {
    this.#page.push(row);
    if (this.#page.length === PAGE_ROWS) this.#flush();
  }

  finish(rows: number, truncated: boolean): void {
    this.#flush();
    const count = `${rows} ${rows === 1 ? "row" : "rows"}`;
    this.#print(`(${count}${truncated ? ", there are more" : ""})\n`);
  }

  #flush(): void {
    // A plan is a drawing of many lines.
    if (this.#columns[0]?.name === "explain_key") {
      for (const [, plan] of this.#page.splice(0)) {
        this.#print(`${(plan ?? "").split("\n").map(printable).join("\n")}\n`);
      }
      return;
    }
    const page = this.#page.map((row) => row.map((text) => printable(text ?? NULL_TEXT)));
    this.#page = [];
    const vertical = this.#columns.length * (MIN_COLUMN + SEPARATOR.length) > this.#width;
    if (vertical) this.#printBlocks(page);
    else this.#printLines(page);
    this.#printed += page.length;
  }

  #printLines(page: readonly (readonly string[])[]): void {
    const names = this.#columns.map(({ name }) => printable(name));
    if (this.#widths === undefined) {
      this.#widths = columnWidths([names, ...page], this.#width);
      const widths = this.#widths;
      this.#print(`${names.map((n, c) => fitted(n, widths[c]!, "left")).join(SEPARATOR)}\n`);
      this.#print(`${widths.map((width) => "-".repeat(width)).join("-+-")}\n`);
    }
    const widths = this.#widths;
    const aligns = this.#columns.map(({ type }) => (NUMERIC.test(type) ? "right" : "left"));
    const lines = page.map((row) =>
      row
        .map((text, c) => fitted(text, widths[c]!, aligns[c]!))
        .join(SEPARATOR)
        .trimEnd(),
    );
    if (lines.length > 0) this.#print(`${lines.join("\n")}\n`);
  }

  #printBlocks(page: readonly (readonly string[])[]): void {
    const names = this.#columns.map(({ name }) => printable(name));
    const nameWidth = Math.min(40, Math.max(...names.map(displayWidth)));
    const valueWidth = Math.max(MIN_COLUMN, this.#width - nameWidth - SEPARATOR.length);
    for (const [r, row] of page.entries()) {
      const lines = row.map((text, c) => {
        const value = displayWidth(text) > valueWidth ? fitted(text, valueWidth, "left") : text;
        return fitted(names[c]!, nameWidth, "left") + SEPARATOR + value;
      });
      this.#print(`-[ row ${this.#printed + r + 1} ]-\n${lines.join("\n")}\n`);
    }
  }
}

/** As wide as the longest text; when that is too wide, the widest columns give way. */
function columnWidths(rows: readonly (readonly string[])[], width: number): number[] {
  const widths = rows[0]!.map((_, c) =>
    rows.reduce((widest, row) => Math.max(widest, displayWidth(row[c]!)), 1),
  );
  const room = width - SEPARATOR.length * (widths.length - 1);
  for (;;) {
    const total = widths.reduce((sum, w) => sum + w, 0);
    const widest = Math.max(...widths);
    if (total <= room || widest <= MIN_COLUMN) return widths;
    const next = Math.max(MIN_COLUMN, ...widths.filter((w) => w < widest));
    const count = widths.filter((w) => w === widest).length;
    const cut = Math.max(1, Math.min(widest - next, Math.ceil((total - room) / count)));
    for (const [c, w] of widths.entries())
      if (w === widest) widths[c] = Math.max(MIN_COLUMN, w - cut);
  }
}
