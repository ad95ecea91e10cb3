import duckdb from "@duckdb/node-bindings";

/** A column of a scratch table, without NULLs. All columns of a table have as many values. */
export type ScratchColumn =
  | { readonly name: string; readonly type: "INTEGER"; readonly values: Int32Array<ArrayBuffer> }
  /** TIMESTAMP_NS: nanoseconds since 1970. */
  | {
      readonly name: string;
      readonly type: "BIGINT" | "TIMESTAMP_NS";
      readonly values: BigInt64Array<ArrayBuffer>;
    }
  /** 16 bytes each, as the UUID is read from left to right. */
  | { readonly name: string; readonly type: "UUID"; readonly values: Uint8Array<ArrayBuffer> }
  /** UTF-8; each costs a call, so give few of them. */
  | { readonly name: string; readonly type: "VARCHAR"; readonly values: readonly Uint8Array[] };

/**
 * A table in memory, seen by all of the database's queries, until it is disposed of: that waits for
 * its turn like a query, but for no deadline, and never rejects.
 */
export interface ScratchTable extends AsyncDisposable {
  /** Ready for SQL; no two tables of a process have the same. */
  readonly name: string;
  readonly rowCount: number;
}

const NAME_PREFIX = "pintail_scratch_";
/** What a query says whose scratch table went with a database that had to be opened again. */
export const LOST_SCRATCH_TABLE = new RegExp(`Table with name ${NAME_PREFIX}\\d+ does not exist`);

let tablesMade = 0;

export function newScratchName(): string {
  return `${NAME_PREFIX}${++tablesMade}`;
}

export function createScratchSql(name: string, columns: readonly ScratchColumn[]): string {
  return `CREATE TABLE ${name} (${columns.map(({ name, type }) => `"${name}" ${type} NOT NULL`).join(", ")})`;
}

export function dropScratchSql(name: string): string {
  return `DROP TABLE IF EXISTS ${name}`;
}

export function scratchRowCount(columns: readonly ScratchColumn[]): number {
  const [first, ...others] = columns.map(valueCount);
  if (first === undefined) throw new Error("a scratch table needs a column");
  if (others.some((count) => count !== first)) throw new Error("columns differ in length");
  return first;
}

function valueCount({ type, values }: ScratchColumn): number {
  return type === "UUID" ? values.length / 16 : values.length;
}

/** Appending and flushing so many rows takes a millisecond or two. */
const FLUSH_ROWS = 16 * 2048;

/** Fills the empty table; `pause` is awaited now and then, and may throw. */
export async function fillScratchTable(
  connection: duckdb.Connection,
  name: string,
  columns: readonly ScratchColumn[],
  pause: () => Promise<void>,
): Promise<void> {
  const rowCount = scratchRowCount(columns);
  const chunkRows = duckdb.vector_size();
  const appender = duckdb.appender_create(connection, null, name);
  try {
    const types = columns.map(({ type }) => duckdb.create_logical_type(duckdb.Type[type]));
    const chunk = duckdb.create_data_chunk(types);
    for (let from = 0; from < rowCount; from += chunkRows) {
      const to = Math.min(from + chunkRows, rowCount);
      duckdb.data_chunk_reset(chunk);
      for (const [c, column] of columns.entries()) {
        writeVector(duckdb.data_chunk_get_vector(chunk, c), column, from, to);
      }
      duckdb.data_chunk_set_size(chunk, to - from);
      duckdb.append_data_chunk(appender, chunk);
      if (to % FLUSH_ROWS !== 0) continue;
      duckdb.appender_flush_sync(appender);
      await pause();
    }
  } catch (e) {
    closeQuietly(appender);
    throw e;
  }
  duckdb.appender_close_sync(appender);
}

/** Left open, the appender would append what it holds whenever the collector gets to it. */
function closeQuietly(appender: duckdb.Appender): void {
  try {
    duckdb.appender_close_sync(appender);
  } catch {
    // It says again what went wrong before.
  }
}

/** `vector_get_data` gives a copy, so values are copied in. */
function writeVector(vector: duckdb.Vector, column: ScratchColumn, from: number, to: number): void {
  if (column.type === "VARCHAR") {
    for (let row = from; row < to; row++) {
      duckdb.vector_assign_string_element_len(vector, row - from, column.values[row]!);
    }
    return;
  }
  const bytes =
    column.type === "UUID" ? uuidWords(column.values, from, to) : column.values.subarray(from, to);
  duckdb.copy_data_to_vector(vector, 0, bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** As DuckDB holds them: 128-bit numbers, little endian, the highest bit flipped for sorting. */
function uuidWords(ids: Uint8Array, from: number, to: number): Uint8Array<ArrayBuffer> {
  const words = new Uint8Array(16 * (to - from));
  for (let i = 0; i < words.length; i += 16) {
    for (let b = 0; b < 16; b++) words[i + b] = ids[16 * from + i + 15 - b]!;
    words[i + 15]! ^= 0x80;
  }
  return words;
}
