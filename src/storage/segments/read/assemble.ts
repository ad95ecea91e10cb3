import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import { corrupt } from "./read-error.ts";
import type { LeafData } from "./read-leaf.ts";
import type { ColumnNode, Leaf, RepeatedNode } from "./read-schema.ts";

/**
 * Puts a column's values together from the levels of its leaves (`dataOf` by leaf), which hold
 * `rowCount` rows. Throws `corrupt` when the leaves disagree on how many elements there are.
 */
export function assemble(
  node: ColumnNode,
  rowCount: number,
  dataOf: (leaf: Leaf) => LeafData,
): SqlValue[] {
  if (node.kind === "leaf") {
    const { values } = dataOf(node.leaf);
    if (values.length !== rowCount) throw corrupt("a column has another number of rows");
    return values;
  }
  const assembler = new Assembler(dataOf);
  const values: SqlValue[] = [];
  for (let row = 0; row < rowCount; row++) values.push(assembler.value(node));
  assembler.finish();
  return values;
}

type Cursor = { readonly data: LeafData; at: number };

class Assembler {
  readonly #dataOf: (leaf: Leaf) => LeafData;
  readonly #cursors = new Map<number, Cursor>();

  constructor(dataOf: (leaf: Leaf) => LeafData) {
    this.#dataOf = dataOf;
  }

  /** The next value of the node. Takes one level or more of each of its leaves. */
  value(node: ColumnNode): SqlValue {
    switch (node.kind) {
      case "leaf": {
        const cursor = this.#cursor(node.leaf);
        this.#defOf(cursor);
        return cursor.data.values[cursor.at++] ?? null;
      }
      case "struct": {
        const struct: Record<string, SqlValue> = {};
        for (const field of node.fields) struct[field.name] = this.value(field.node);
        return struct;
      }
      case "list":
      case "map":
        return this.#repeated(node);
    }
  }

  finish(): void {
    for (const { at, data } of this.#cursors.values()) {
      if (at !== data.values.length) throw corrupt("a column has loose elements");
    }
  }

  #repeated(node: RepeatedNode): SqlValue {
    const first = this.#cursor(node.leaves[0]!);
    const def = this.#defOf(first);
    if (def < node.elementDef) {
      for (const leaf of node.leaves) {
        const cursor = this.#cursor(leaf);
        if (this.#defOf(cursor) !== def) throw corrupt("a column's leaves disagree");
        cursor.at++;
      }
      return def < node.elementDef - 1 ? null : [];
    }
    const elements: SqlValue[] = [];
    do elements.push(this.#element(node));
    while (first.at < first.data.values.length && first.data.reps[first.at] === node.rep);
    return elements;
  }

  #element(node: RepeatedNode): SqlValue {
    if (node.kind === "list" || node.element.kind !== "struct") return this.value(node.element);
    return node.element.fields.map((field) => this.value(field.node));
  }

  #cursor(leaf: Leaf): Cursor {
    let cursor = this.#cursors.get(leaf.index);
    if (cursor === undefined) {
      cursor = { data: this.#dataOf(leaf), at: 0 };
      this.#cursors.set(leaf.index, cursor);
    }
    return cursor;
  }

  #defOf({ data, at }: Cursor): number {
    const def = data.defs[at];
    if (def === undefined) throw corrupt("a column's elements end early");
    return def;
  }
}
