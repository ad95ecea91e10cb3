import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database, SqlValue } from "../../../../src/drivers/duckdb/database.ts";
import { openDatabase } from "../../../../src/drivers/duckdb/node-database.ts";
import type { RowBlock, RowRange } from "../../../../src/storage/segments/read/segment-reader.ts";

export function readAtOf(file: Uint8Array) {
  return async (offset: number, length: number) => file.subarray(offset, offset + length);
}

/** Asks a real database the questions that the segment reader answers. */
export class ReaderStore {
  readonly #dir: string;
  readonly #database: Database;
  #files = 0;

  constructor(dir: string, database: Database) {
    this.#dir = dir;
    this.#database = database;
  }

  static async open(): Promise<ReaderStore> {
    const dir = await mkdtemp(join(tmpdir(), "pintail-reader-"));
    const database = await openDatabase({
      memoryLimitBytes: 256 * 2 ** 20,
      tempDir: join(dir, "tmp"),
      threads: 1,
      maxConcurrent: 1,
    });
    return new ReaderStore(dir, database);
  }

  async close(): Promise<void> {
    await this.#database[Symbol.asyncDispose]();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** The path of a new file: the database caches what it knows of one. */
  async put(file: Uint8Array): Promise<string> {
    const path = join(this.#dir, `${this.#files++}.parquet`);
    await writeFile(path, file);
    return path;
  }

  /** The whole file, or some of its columns. */
  async rows(path: string, only?: readonly string[]): Promise<RowBlock> {
    let names: string[] = [];
    const columns: SqlValue[][] = [];
    let rowCount = 0;
    const selected = only?.map((name) => `"${name}"`).join(", ") ?? "*";
    await this.#database.chunks(
      `SELECT ${selected} FROM read_parquet('${path}')`,
      (chunk, info) => {
        names = info.map(({ name }) => name);
        rowCount += chunk.rowCount;
        for (const [c, values] of chunk.columns.entries()) {
          columns[c] ??= [];
          for (const value of values) columns[c].push(value);
        }
      },
    );
    return { names, columns, rowCount };
  }

  /** The rows of each trace, by id. */
  async traces(path: string): Promise<Map<string, RowRange>> {
    const rows = await this.#database.rows(
      `SELECT trace_id, min(file_row_number), max(file_row_number)
        FROM read_parquet('${path}', file_row_number = true) GROUP BY trace_id`,
    );
    return new Map(
      rows.map(([id, first, last]) => [
        String(id),
        { fromRow: Number(first), toRow: Number(last) + 1 },
      ]),
    );
  }
}

export function sliceOf(block: RowBlock, fromRow: number, toRow: number): RowBlock {
  return {
    names: block.names,
    columns: block.columns.map((values) => values.slice(fromRow, toRow)),
    rowCount: toRow - fromRow,
  };
}

export function idOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}
