import { checkSqlLength } from "./sql.ts";

/** Some rows of a relation: a CTE's name, or the base's, and a condition over its columns. */
export type Rows = { readonly relation: string; readonly condition: string | undefined };

/**
 * The spansets of every trace: disjoint sets of its rows. Two rows are in one spanset when they
 * agree in `key` (a column; one spanset a trace when there is none) and in `groupedBy` (columns of
 * values, where nil equals nil).
 */
export type Spansets = {
  readonly rows: Rows;
  readonly key: string | undefined;
  readonly groupedBy: readonly string[];
  readonly attributes: readonly ShownAttribute[];
};

/** An attribute of the spanset that a row is in, as a value of `ECHO_TYPE` over its columns. */
export type ShownAttribute = {
  readonly name: string;
  readonly column: string;
  readonly sort: "plain" | "duration" | "status" | "kind";
};

export function whereSql(...conditions: readonly (string | undefined)[]): string {
  const known = conditions.filter((condition) => condition !== undefined);
  return known.length === 0 ? "" : ` WHERE ${known.join(" AND ")}`;
}

export function narrowed(rows: Rows, condition: string): Rows {
  const { relation } = rows;
  return {
    relation,
    condition: rows.condition === undefined ? condition : `${rows.condition} AND ${condition}`,
  };
}

/** The sides of an operator, and what its result is to have. */
export type Operands = {
  readonly left: Rows;
  readonly right: Rows;
  /** Columns that rows of one spanset agree in. */
  readonly keys: readonly string[];
  /** Both sides have them; `row_id` and, for structural operators, the tree's numbers among them. */
  readonly columns: readonly string[];
};

/** A SELECT of `columns` of the rows that meet `condition` too. */
export function readRows(
  ctes: Ctes,
  rows: Rows,
  columns: readonly string[],
  condition?: string,
): string {
  return `SELECT ${columns.join(", ")} FROM ${ctes.read(rows.relation)}${whereSql(rows.condition, condition)}`;
}

/** Common table expressions in order, each of which may read the ones before it. */
export class Ctes {
  readonly #prefix: string;
  readonly #list: { readonly name: string; readonly text: string }[] = [];
  readonly #uses = new Map<string, number>();
  #length = 0;
  #names = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Adds one and returns its name. */
  add(text: string): string {
    const name = `${this.#prefix}${this.#list.length}`;
    this.#list.push({ name, text });
    this.#length += text.length;
    checkSqlLength(this.#length);
    return name;
  }

  /** A name for a column that no other column has. */
  column(sort: string): string {
    return `${sort}_${this.#names++}`;
  }

  /** The name, for a FROM clause: what is read twice is computed once. */
  read(name: string): string {
    this.#uses.set(name, this.uses(name) + 1);
    return name;
  }

  uses(name: string): number {
    return this.#uses.get(name) ?? 0;
  }

  text(): string {
    return this.#list
      .map(({ name, text }) => {
        const materialized = this.uses(name) > 1 ? "MATERIALIZED" : "NOT MATERIALIZED";
        return `${name} AS ${materialized} (${text})`;
      })
      .join(",\n");
  }
}
