import type { ScratchColumn, ScratchTable } from "./scratch-table.ts";

/**
 * What Pintail needs of DuckDB, so that nothing else imports its client.
 *
 * Values come back as JS values: BIGINT, UBIGINT, TIMESTAMP_NS (raw nanoseconds) and HUGEINT as
 * `bigint`; smaller integers, FLOAT and DOUBLE as `number`; BOOLEAN; VARCHAR as `string`; BLOB as
 * `Uint8Array`; UUID as a 32-digit lower-case hex string without dashes; LIST as an array; STRUCT
 * as an object; MAP as an array of `[key, value]`; NULL as `null`. Beyond what segments hold:
 * TIMESTAMP of other units and TIME as raw `bigint`, DATE as days, DECIMAL as the nearest `number`,
 * ENUM as `string`, INTERVAL as `{ months, days, micros }`; other types are `unsupported`.
 */
export type SqlValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly SqlValue[]
  | { readonly [field: string]: SqlValue };

export type QueryOptions = {
  /** Aborting interrupts the query; the call then rejects with kind `canceled`. */
  readonly signal?: AbortSignal | undefined;
  /** Rejects with kind `timeout` after this. */
  readonly timeoutMs?: number | undefined;
  /** Rejects with kind `limited` when the result has more rows. */
  readonly maxRows?: number | undefined;
};

export type ResultColumn = { readonly name: string; readonly type: string };

/**
 * A result's rows as columns, one chunk at a time: at most 2048 rows, fewer when their lists are long.
 */
export type RowChunk = {
  readonly rowCount: number;
  /** `columns[c][r]`. */
  readonly columns: readonly (readonly SqlValue[])[];
};

/** Its values are made when they are asked for, while `onChunk` runs: not those that nobody wants. */
export type ResultChunk = RowChunk & {
  /** `columns[column]` alone. */
  column(column: number): readonly SqlValue[];
  /** `columns[column][row]` alone. */
  value(column: number, row: number): SqlValue;
};

/** Gets a chunk. `false`, or a promise of it, says that no more of them are wanted. */
export type OnChunk = (chunk: ResultChunk, columns: readonly ResultColumn[]) => unknown;

export interface Database extends AsyncDisposable {
  /** All rows as arrays in column order. */
  rows(sql: string, options?: QueryOptions): Promise<SqlValue[][]>;
  /** Chunk by chunk, without holding the whole result as JS values. */
  chunks(sql: string, onChunk: OnChunk, options?: QueryOptions): Promise<void>;
}

/** A database that Pintail also writes, such as the catalog's. Values reach SQL by `sqlLiteral`. */
export interface WritableDatabase extends Database {
  /**
   * Runs the statements as one transaction; durable when it resolves, without effect when it
   * rejects, except that after `unavailable` the disk may hold either.
   */
  transaction(statements: readonly string[]): Promise<void>;
  /** Gives back the memory that holds what was read; it is read again when it is asked for. */
  releaseBuffers(): Promise<void>;
}

/** A database in memory that takes tables from queries for the time that they run. */
export interface ScratchDatabase extends Database {
  /**
   * Makes a table of these columns, at least one; `maxRows` bounds their length. Rejects as a query
   * does, and leaves nothing then. A query that runs after the
   * database had to be opened again no longer finds the table, and rejects with `unavailable`.
   */
  scratchTable(columns: readonly ScratchColumn[], options?: QueryOptions): Promise<ScratchTable>;
  /**
   * The same of the rows that a SELECT gives. They count towards the memory limit, and go to the disk
   * when that is reached.
   */
  scratchTableOf(select: string, options?: QueryOptions): Promise<ScratchTable>;
}
