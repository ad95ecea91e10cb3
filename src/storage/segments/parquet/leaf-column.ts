import type { SqlType } from "../../../schema/columns.ts";
import type { ValueDomain } from "./value-domain.ts";

/** Dremel levels of the rows of one row group. */
export type Levels = {
  readonly count: number;
  // As wide as codes, so that one encoder, compiled for one type, serves both.
  readonly def: Uint32Array;
  readonly rep: Uint32Array;
  readonly maxDef: number;
  readonly maxRep: number;
  /** Levels of the group's row `i` are `rowStarts[i] .. rowStarts[i + 1]`. */
  readonly rowStarts: Uint32Array;
};

export type LeafPresence =
  /** A required column: every row has a value. */
  | { readonly kind: "all" }
  /** An optional column: value `i` is that of row `rows[i]`, rising. */
  | { readonly kind: "some"; readonly rows: Uint32Array }
  | { readonly kind: "nested"; levels(firstRow: number, lastRow: number): Levels };

/**
 * Where values come from. `read(from, to)` counts rows when all have one, values of `rows` when
 * some have; for a nested column `from .. to` are the row group's rows and all their values are
 * meant. The array returned is valid until the next `read` of any column.
 */
export type LeafValues =
  /** Ids of a domain: dictionary encoded where that helps. */
  | {
      readonly kind: "coded";
      readonly domain: ValueDomain;
      /** Set when all values are this one: then `read` is hardly ever asked. */
      readonly constant?: number | undefined;
      read(from: number, to: number): Uint32Array;
    }
  /** 8-byte numbers as pairs lo, hi, rarely equal: differences, or PLAIN. */
  | { readonly kind: "wide"; read(from: number, to: number): Uint32Array }
  /** 4-byte numbers: PLAIN. */
  | { readonly kind: "narrow"; read(from: number, to: number): Uint32Array }
  /** Booleans as 0 and 1. */
  | { readonly kind: "bool"; read(from: number, to: number): Uint32Array };

/** One leaf of the schema with its data for the whole file. */
export type LeafColumn = {
  readonly path: readonly string[];
  readonly type: SqlType;
  readonly presence: LeafPresence;
  readonly values: LeafValues;
  /** Bloom filters per row group, where the column is one that equality is asked of. */
  readonly bloom: boolean;
  /** Random values: neither statistics nor compression help. */
  readonly random: boolean;
};
