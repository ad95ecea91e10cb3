import duckdb from "@duckdb/node-bindings";
import { PintailError } from "../../errors.ts";
import { ConnectionPool } from "./connection-pool.ts";
import type {
  OnChunk,
  QueryOptions,
  ResultChunk,
  ScratchDatabase,
  SqlValue,
  WritableDatabase,
} from "./database.ts";
import { Deadline } from "./deadline.ts";
import { duckdbError, invalidatesDatabase } from "./duckdb-error.ts";
import { typeName, type VectorValues, vectorReader } from "./read-vector.ts";
import { assertReadOnly, SANDBOX_SETTINGS, type SandboxSettings } from "./sandbox.ts";
import {
  createScratchSql,
  dropScratchSql,
  fillScratchTable,
  newScratchName,
  type ScratchColumn,
  type ScratchTable,
  scratchRowCount,
} from "./scratch-table.ts";
import { quoteSetting, type SettingValue } from "./settings-sql.ts";

export type DatabaseSettings = {
  /** The database file; absent: in memory. One process, and one `openDatabase`, at a time. */
  readonly path?: string | undefined;
  readonly memoryLimitBytes: number;
  /** Spill folder, made when needed. */
  readonly tempDir: string;
  /** Bound on the spill folder. */
  readonly maxTempBytes?: number;
  readonly threads: number;
  /** Queries at once; each holds a thread of the runtime's pool. */
  readonly maxConcurrent: number;
  /** Queries waiting for a place; beyond it `limited`. */
  readonly maxQueued?: number;
  readonly readOnly?: boolean;
  /** Further DuckDB settings, by name. */
  readonly settings?: Readonly<Record<string, SettingValue>>;
};

const DEFAULT_MAX_TEMP_BYTES = 4 * 1024 ** 3;
const DEFAULT_MAX_QUEUED = 1000;
/** An interrupt is lost when the query has not begun, so it is repeated. */
const INTERRUPT_MS = 25;

/** Settings that a database opens with, since they decide how it opens. */
const OPEN_SETTINGS = {
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
  allow_community_extensions: "false",
  allow_persistent_secrets: "false",
  // Gives freed memory back soon, not only when the same thread allocates again.
  allocator_background_threads: "true",
} as const;

/**
 * Opens a database. Rejects with `unavailable` while another process has the file, `corrupt` when
 * it is none of DuckDB's.
 */
export async function openDatabase(
  settings: DatabaseSettings,
): Promise<WritableDatabase & ScratchDatabase> {
  return open(settings, undefined);
}

/**
 * A database in memory for SQL that people write: SELECT and EXPLAIN only, no file but those
 * allowed, no setting can be changed. Other errors than those of `Database` are `invalid`. Functions
 * see all of the allowed folders, so tenants that must not see each other need one sandbox each.
 */
export async function openSandbox(
  settings: Omit<DatabaseSettings, "path" | "readOnly">,
  sandbox: SandboxSettings,
): Promise<WritableDatabase> {
  return open(settings, sandbox);
}

async function open(settings: DatabaseSettings, sandbox: SandboxSettings | undefined) {
  const statements = settingStatements(settings, sandbox);
  const pool = new ConnectionPool(() => openInstance(settings, statements), {
    maxConcurrent: settings.maxConcurrent,
    maxQueued: settings.maxQueued ?? DEFAULT_MAX_QUEUED,
  });
  try {
    await pool.ready();
  } catch (e) {
    throw duckdbError(e);
  }
  const inMemory = settings.path === undefined && settings.readOnly !== true;
  const { memoryLimitBytes } = settings;
  return new NodeDatabase(pool, { sandboxed: sandbox !== undefined, inMemory, memoryLimitBytes });
}

async function openInstance(settings: DatabaseSettings, statements: readonly string[]) {
  const config = duckdb.create_config();
  for (const [name, value] of Object.entries(OPEN_SETTINGS)) duckdb.set_config(config, name, value);
  if (settings.readOnly === true) duckdb.set_config(config, "access_mode", "READ_ONLY");
  const database = await duckdb.open(settings.path ?? ":memory:", config);
  try {
    const connection = await duckdb.connect(database);
    try {
      for (const statement of statements) await duckdb.query(connection, statement);
    } finally {
      duckdb.disconnect_sync(connection);
    }
  } catch (e) {
    duckdb.close_sync(database);
    throw e;
  }
  return database;
}

function settingStatements(
  settings: DatabaseSettings,
  sandbox: SandboxSettings | undefined,
): string[] {
  const values: [string, SettingValue][] = [
    ["threads", settings.threads],
    ["memory_limit", `${settings.memoryLimitBytes}B`],
    ["temp_directory", settings.tempDir],
    // Counts only when it is set by a statement.
    ["max_temp_directory_size", `${settings.maxTempBytes ?? DEFAULT_MAX_TEMP_BYTES}B`],
    ["parquet_metadata_cache", true],
    ...Object.entries(settings.settings ?? {}),
    ...(sandbox === undefined ? [] : SANDBOX_SETTINGS(sandbox)),
  ];
  return values.map(([name, value]) => `SET GLOBAL ${name} = ${quoteSetting(value)}`);
}

/** For a moment no more than this is held: with a lower limit DuckDB evicts its buffers. */
const RELEASED_BYTES = 8 * 1024 * 1024;

class NodeDatabase implements WritableDatabase, ScratchDatabase {
  readonly #pool: ConnectionPool;
  readonly #sandboxed: boolean;
  readonly #inMemory: boolean;
  readonly #memoryLimitBytes: number;
  /** Scratch tables to be dropped. */
  readonly #unwantedTables = new Set<string>();

  constructor(
    pool: ConnectionPool,
    options: {
      readonly sandboxed: boolean;
      readonly inMemory: boolean;
      readonly memoryLimitBytes: number;
    },
  ) {
    this.#pool = pool;
    this.#sandboxed = options.sandboxed;
    this.#inMemory = options.inMemory;
    this.#memoryLimitBytes = options.memoryLimitBytes;
  }

  async rows(sql: string, options: QueryOptions = {}): Promise<SqlValue[][]> {
    const rows: SqlValue[][] = [];
    await this.chunks(
      sql,
      ({ rowCount, columns }) => {
        for (let r = 0; r < rowCount; r++) rows.push(columns.map((column) => column[r] ?? null));
      },
      options,
    );
    return rows;
  }

  chunks(sql: string, onChunk: OnChunk, options: QueryOptions = {}): Promise<void> {
    return this.#run(options, async (connection, deadline) => {
      if (this.#sandboxed) {
        await interruptible(connection, deadline, () => assertReadOnly(connection, sql));
      }
      // A materialised result: a streamed one loses errors that come in its middle.
      const result = await interruptible(connection, deadline, () =>
        this.#mapped(duckdb.query(connection, sql)),
      );
      const { maxRows } = options;
      if (maxRows !== undefined && duckdb.row_count(result) > maxRows) {
        throw new PintailError("limited", `the result has more than ${maxRows} rows`);
      }
      await readResult(result, deadline, onChunk);
    });
  }

  async scratchTable(
    columns: readonly ScratchColumn[],
    options: QueryOptions = {},
  ): Promise<ScratchTable> {
    const rowCount = scratchRowCount(columns);
    checkScratchRows(rowCount, options);
    return await this.#scratch(options, async (connection, name, deadline) => {
      await duckdb.query(connection, createScratchSql(name, columns));
      await fillScratchTable(connection, name, columns, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        deadline.throwIfExpired();
      });
      return rowCount;
    });
  }

  async scratchTableOf(select: string, options: QueryOptions = {}): Promise<ScratchTable> {
    return await this.#scratch(options, async (connection, name, deadline) => {
      const result = await interruptible(connection, deadline, () =>
        this.#mapped(duckdb.query(connection, `CREATE TABLE ${name} AS ${select}`)),
      );
      let rowCount = 0;
      await readResult(result, deadline, ({ columns }) => {
        rowCount = Number(columns[0]?.[0] ?? 0);
      });
      checkScratchRows(rowCount, options);
      return rowCount;
    });
  }

  /** `make` makes the table of this name and tells its rows. */
  async #scratch(
    options: QueryOptions,
    make: (connection: duckdb.Connection, name: string, deadline: Deadline) => Promise<number>,
  ): Promise<ScratchTable> {
    if (this.#sandboxed || !this.#inMemory) throw new Error("no scratch tables in this database");
    const name = newScratchName();
    const rowCount = await this.#run(options, async (connection, deadline) => {
      deadline.throwIfExpired();
      await this.#dropScratchTables(connection);
      try {
        const made = await make(connection, name, deadline);
        deadline.throwIfExpired();
        return made;
      } catch (e) {
        this.#unwantedTables.add(name);
        await this.#dropScratchTables(connection);
        throw e;
      }
    });
    const dispose = async (): Promise<void> => {
      this.#unwantedTables.add(name);
      // Without a place for it, the next one to make or to drop a table does it.
      await this.#run({}, (connection) => this.#dropScratchTables(connection)).catch(() => {});
    };
    return { name, rowCount, [Symbol.asyncDispose]: dispose };
  }

  /** What fails is tried again with the next; when the database was closed, the tables are gone. */
  async #dropScratchTables(connection: duckdb.Connection): Promise<void> {
    const names = [...this.#unwantedTables];
    if (names.length === 0) return;
    this.#unwantedTables.clear();
    try {
      await duckdb.query(connection, names.map(dropScratchSql).join("; "));
    } catch {
      for (const name of names) this.#unwantedTables.add(name);
    }
  }

  transaction(statements: readonly string[]): Promise<void> {
    return this.#run({}, async (connection) => {
      try {
        // Few calls, since each waits for a thread.
        for (const text of joinStatements(["BEGIN TRANSACTION", ...statements, "COMMIT"])) {
          await duckdb.query(connection, text);
        }
      } catch (e) {
        // A failed COMMIT has ended the transaction by itself.
        await duckdb.query(connection, "ROLLBACK").catch(() => {});
        throw e;
      }
    });
  }

  releaseBuffers(): Promise<void> {
    return this.#run({}, async (connection) => {
      try {
        await duckdb.query(connection, `SET GLOBAL memory_limit = '${RELEASED_BYTES}B'`);
      } catch {
        // More than that is in use: it evicted what it could.
      } finally {
        await duckdb.query(connection, `SET GLOBAL memory_limit = '${this.#memoryLimitBytes}B'`);
      }
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool.close();
  }

  async #run<T>(
    options: QueryOptions,
    use: (connection: duckdb.Connection, deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    const deadline = new Deadline(options);
    try {
      return await this.#pool.use(deadline, (connection) => use(connection, deadline));
    } catch (e) {
      throw this.#error(e);
    } finally {
      deadline.clear();
    }
  }

  /** DuckDB's own errors may be the person's fault in a sandbox; ours keep their kind. */
  async #mapped<T>(run: Promise<T>): Promise<T> {
    try {
      return await run;
    } catch (e) {
      throw this.#error(e);
    }
  }

  #error(e: unknown): unknown {
    if (e instanceof PintailError) return e;
    if (invalidatesDatabase(e)) {
      this.#pool.reset();
      return new PintailError("unavailable", "the database had to be opened again", {
        cause: e,
        retryAfterMs: 0,
      });
    }
    return isOfDuckdb(e) ? duckdbError(e, this.#sandboxed ? "invalid" : "internal") : e;
  }
}

/** `Parser Error: …`, `IO Error: …`: what DuckDB says; the rest is a bug of ours or the caller's. */
function isOfDuckdb(e: unknown): boolean {
  return e instanceof Error && OF_DUCKDB.test(e.message);
}

const OF_DUCKDB = /^([A-Za-z]+( [A-Za-z]+)* ?Error|Failed to append): /;

/** Repeats the interrupt until the query settles, once the deadline has expired. */
async function interruptible<T>(
  connection: duckdb.Connection,
  deadline: Deadline,
  run: () => Promise<T>,
): Promise<T> {
  deadline.throwIfExpired();
  let timer: ReturnType<typeof setInterval> | undefined;
  const settled = run();
  const forget = deadline.onExpired(() => {
    duckdb.interrupt(connection);
    timer = setInterval(() => duckdb.interrupt(connection), INTERRUPT_MS);
  });
  try {
    return await settled;
  } catch (e) {
    throw deadline.reason ?? e;
  } finally {
    forget();
    clearInterval(timer);
    deadline.throwIfExpired();
  }
}

async function readResult(
  result: duckdb.Result,
  deadline: Deadline,
  onChunk: OnChunk,
): Promise<void> {
  const types = Array.from({ length: duckdb.column_count(result) }, (_, c) =>
    duckdb.column_logical_type(result, c),
  );
  const columns = types.map((type, c) => ({
    name: duckdb.column_name(result, c),
    type: typeName(type),
  }));
  const readers = types.map(vectorReader);
  for (;;) {
    const chunk = await duckdb.fetch_chunk(result);
    const rowCount = chunk === null ? 0 : duckdb.data_chunk_get_size(chunk);
    if (chunk === null || rowCount === 0) return;
    deadline.throwIfExpired();
    const values = readers.map((read, c) => read(duckdb.data_chunk_get_vector(chunk, c), rowCount));
    for (let from = 0; from < rowCount; ) {
      const to = endOfSlice(values, from, rowCount);
      if ((await onChunk(new ChunkSlice(values, from, to), columns)) === false) return;
      from = to;
      // The rest of the chunk is at hand already: without a pause nobody else would have a turn.
      if (from < rowCount) await new Promise((resolve) => setImmediate(resolve));
      deadline.throwIfExpired();
    }
  }
}

/** Rows of a chunk that is alive. */
class ChunkSlice implements ResultChunk {
  readonly #values: readonly VectorValues[];
  readonly #from: number;
  readonly rowCount: number;
  readonly #made: (readonly SqlValue[] | undefined)[];

  constructor(values: readonly VectorValues[], from: number, to: number) {
    this.#values = values;
    this.#from = from;
    this.rowCount = to - from;
    this.#made = values.map(() => undefined);
  }

  get columns(): readonly (readonly SqlValue[])[] {
    return this.#values.map((_, c) => this.column(c));
  }

  column(column: number): readonly SqlValue[] {
    const made = this.#made[column];
    if (made !== undefined) return made;
    const values = this.#values[column]!.slice(this.#from, this.#from + this.rowCount);
    this.#made[column] = values;
    return values;
  }

  value(column: number, row: number): SqlValue {
    const made = this.#made[column];
    if (made !== undefined) return made[row]!;
    const at = this.#from + row;
    return this.#values[column]!.slice(at, at + 1)[0]!;
  }
}

/** A row may have tens of thousands of events: as JS values they take a hundred bytes and more. */
const MAX_SLICE_ELEMENTS = 100_000;

/** End of the rows from `from` on that hold about that many list elements, at least one row. */
function endOfSlice(values: readonly VectorValues[], from: number, rowCount: number): number {
  const lists = values.filter(({ elementsOf }) => elementsOf !== undefined);
  if (lists.length === 0) return rowCount;
  let elements = 0;
  for (let row = from; row < rowCount; row++) {
    for (const { elementsOf } of lists) elements += elementsOf?.(row) ?? 0;
    if (elements > MAX_SLICE_ELEMENTS) return Math.max(row, from + 1);
  }
  return rowCount;
}

/** The statements in order, in texts of a size that DuckDB's parser takes easily. */
function joinStatements(statements: readonly string[]): string[] {
  const texts: string[] = [];
  let text = "";
  for (const statement of statements) {
    if (text !== "" && text.length + statement.length > MAX_TEXT_CHARS) {
      texts.push(text);
      text = "";
    }
    text += `${statement};\n`;
  }
  texts.push(text);
  return texts;
}

const MAX_TEXT_CHARS = 4 * 1024 * 1024;

function checkScratchRows(rowCount: number, { maxRows }: QueryOptions): void {
  if (maxRows === undefined || rowCount <= maxRows) return;
  throw new PintailError("limited", `a scratch table of ${rowCount} rows of ${maxRows}`);
}
