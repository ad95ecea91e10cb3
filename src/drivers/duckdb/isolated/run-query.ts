import { open } from "node:fs/promises";
import { join } from "node:path";
import {
  DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBResult,
  DuckDBTypeId,
} from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import { PintailError } from "../../../errors.ts";
import { assertReadOnly, SANDBOX_SETTINGS } from "../sandbox.ts";
import { quoteSetting, type SettingValue } from "../settings-sql.ts";
import { type EncodedColumn, type RowEncoder, rowEncoder } from "./encode-rows.ts";
import type { IsolatedRequest, SqlFormat } from "./isolated-sql.ts";

export type QueryOutput = {
  /** Called once, before the first data. */
  started(): Promise<void>;
  data(bytes: Uint8Array): Promise<void>;
};

/** Encoded text is sent in pieces of about this size. */
const WRITE_CHARS = 64 * 1024;
const FILE_READ_BYTES = 256 * 1024;
const RESULT_VIEW = "pintail_result";

/** Opens a database of its own, shuts it in, runs the statement, and sends the encoded result. */
export async function runQuery(request: IsolatedRequest, output: QueryOutput): Promise<void> {
  const raw = await openShutIn(request);
  const sql = await chooseStatement(raw, request);
  const connection = new DuckDBConnection(raw);
  if (request.format === "parquet") await sendParquet(connection, sql, request, output);
  else await sendRows(connection, sql, request.format, request, output);
}

async function openShutIn(request: IsolatedRequest): Promise<duckdb.Connection> {
  const { settings, setup, allowedPaths } = request;
  const config = duckdb.create_config();
  for (const name of [
    "autoinstall_known_extensions",
    "autoload_known_extensions",
    "allow_community_extensions",
    "allow_persistent_secrets",
  ]) {
    duckdb.set_config(config, name, "false");
  }
  const connection = await duckdb.connect(await duckdb.open(":memory:", config));
  const set = async ([name, value]: [string, SettingValue]): Promise<void> => {
    await duckdb.query(connection, `SET GLOBAL ${name} = ${quoteSetting(value)}`);
  };
  await set(["threads", settings.threads]);
  await set(["memory_limit", `${settings.memoryLimitBytes}B`]);
  await set(["temp_directory", settings.tempDir]);
  await set(["max_temp_directory_size", `${settings.maxTempBytes}B`]);
  for (const statement of setup) await duckdb.query(connection, statement);
  const allowed = { allowedDirectories: [], allowedPaths };
  for (const setting of SANDBOX_SETTINGS(allowed)) await set(setting);
  return connection;
}

/** The faster form when it binds; what is wrong with the statement is told of the person's own. */
async function chooseStatement(
  connection: duckdb.Connection,
  { sql, fasterSql, viewOnly }: IsolatedRequest,
): Promise<string> {
  if (fasterSql !== undefined) {
    try {
      await assertReadOnly(connection, fasterSql, viewOnly);
      return fasterSql;
    } catch {
      // The original is checked next.
    }
  }
  await assertReadOnly(connection, sql, viewOnly);
  return sql;
}

async function sendRows(
  connection: DuckDBConnection,
  sql: string,
  format: Exclude<SqlFormat, "parquet">,
  { limit, maxRows }: IsolatedRequest,
  output: QueryOutput,
): Promise<void> {
  const result = await connection.stream(sql);
  const streams = result.isStreaming;
  let chunk = await nextChunk(result);
  if (chunk === undefined) await throwIfCut(connection, sql, result, streams);
  const encoder = rowEncoder(format, columnsOf(result));
  await output.started();
  const sender = new TextSender(output);
  sender.add(encoder.head);
  const counter = new RowCounter(limit, maxRows);
  for (; chunk !== undefined && !counter.truncated; chunk = await nextChunk(result)) {
    await sendChunk(chunk, encoder, counter, sender);
  }
  if (!counter.truncated) await throwIfCut(connection, sql, result, streams);
  sender.add(encoder.foot(counter.rows, counter.truncated));
  await sender.flush();
}

async function sendChunk(
  chunk: DuckDBDataChunk,
  encoder: RowEncoder,
  counter: RowCounter,
  sender: TextSender,
): Promise<void> {
  for (const row of chunk.getRows()) {
    if (!counter.take()) return;
    if (sender.add(encoder.row(row, counter.rows === 1))) await sender.flush();
  }
}

async function nextChunk(result: DuckDBResult): Promise<DuckDBDataChunk | undefined> {
  const chunk = await result.fetchChunk();
  return chunk === null || chunk.rowCount === 0 ? undefined : chunk;
}

/**
 * A streamed result that fails ends like one that is complete, except that it is "not streaming"
 * then. The reason is not to be had of it, so the statement runs again, without giving its rows.
 */
async function throwIfCut(
  connection: DuckDBConnection,
  sql: string,
  result: DuckDBResult,
  streamed: boolean,
): Promise<void> {
  if (!streamed || result.isStreaming) return;
  await connection.run(`EXPLAIN ANALYZE ${sql}`);
  throw new PintailError("invalid", "the query failed after its first rows");
}

function columnsOf(result: DuckDBResult): EncodedColumn[] {
  const types = result.columnTypes();
  return result.deduplicatedColumnNames().map((name, c) => {
    const type = types[c]!;
    return { name, type: type.typeId === DuckDBTypeId.ENUM ? "ENUM" : type.toString() };
  });
}

/** Counts rows, ends the result at the limit and fails beyond the bound. */
class RowCounter {
  rows = 0;
  truncated = false;
  readonly #limit: number;
  readonly #maxRows: number;

  constructor(limit: number, maxRows: number) {
    this.#limit = limit;
    this.#maxRows = maxRows;
  }

  /** False when the row is beyond the limit. */
  take(): boolean {
    if (this.#limit > 0 && this.rows === this.#limit) {
      this.truncated = true;
      return false;
    }
    if (this.#maxRows > 0 && this.rows === this.#maxRows) {
      throw new PintailError(
        "limited",
        `the result has more than ${this.#maxRows} rows; give a limit, or take ndjson, csv or parquet`,
      );
    }
    this.rows++;
    return true;
  }
}

class TextSender {
  readonly #output: QueryOutput;
  readonly #encoder = new TextEncoder();
  #text = "";

  constructor(output: QueryOutput) {
    this.#output = output;
  }

  /** True when it is time to flush. */
  add(text: string): boolean {
    this.#text += text;
    return this.#text.length >= WRITE_CHARS;
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text !== "") await this.#output.data(this.#encoder.encode(text));
  }
}

/** Through a file: DuckDB writes Parquet to files only. The statement is one SELECT by now. */
async function sendParquet(
  connection: DuckDBConnection,
  sql: string,
  { limit, settings }: IsolatedRequest,
  output: QueryOutput,
): Promise<void> {
  const path = join(settings.tempDir, "result.parquet");
  // The person's text comes last, so that nothing in it can end our own.
  await connection.run(`CREATE TEMP VIEW ${RESULT_VIEW} AS ${sql}`);
  const rows = `SELECT * FROM ${RESULT_VIEW}${limit > 0 ? ` LIMIT ${limit}` : ""}`;
  await connection.run(
    `COPY (${rows}) TO ${quoteSetting(path)} (FORMAT parquet, COMPRESSION zstd)`,
  );
  await output.started();
  const file = await open(path);
  try {
    const buffer = new Uint8Array(FILE_READ_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      await output.data(buffer.slice(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
