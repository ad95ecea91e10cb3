import duckdb from "@duckdb/node-bindings";
import { PintailError } from "../../errors.ts";
import { vectorReader } from "./read-vector.ts";
import type { SettingValue } from "./settings-sql.ts";
import { assertViewOnly } from "./view-only.ts";

export type SandboxSettings = {
  /** Folders whose files may be read, with all below. */
  readonly allowedDirectories: readonly string[];
  readonly allowedPaths?: readonly string[];
};

/** In this order: the last ones end all change. */
export function SANDBOX_SETTINGS(sandbox: SandboxSettings): [string, SettingValue][] {
  return [
    ["allowed_directories", sandbox.allowedDirectories],
    ["allowed_paths", sandbox.allowedPaths ?? []],
    ["enable_external_access", false],
    ["lock_configuration", true],
  ];
}

const { StatementType } = duckdb;
const MAX_SQL_CHARS = 256 * 1024;
const EXPLAIN = /^\s*EXPLAIN\s+(?:ANALYZE\s+)?/i;

/**
 * Throws `invalid` unless the text is one SELECT, or EXPLAIN of one (EXPLAIN ANALYZE runs what it
 * explains). The text is only parsed for that: planning a statement can have effects of its own,
 * EXPORT makes its folder then. `viewOnly`: see `assertViewOnly`.
 */
export async function assertReadOnly(
  connection: duckdb.Connection,
  sql: string,
  viewOnly = false,
): Promise<void> {
  if (sql.length > MAX_SQL_CHARS) {
    throw new PintailError("invalid", `query has ${sql.length} characters of ${MAX_SQL_CHARS}`);
  }
  const tree = await assertSelect(connection, sql.replace(EXPLAIN, ""));
  if (viewOnly) assertViewOnly(tree);
  const { extracted_statements: statements, statement_count: count } =
    await duckdb.extract_statements(connection, sql);
  if (count !== 1) throw new PintailError("invalid", `query has ${count} statements of 1`);
  const prepared = await duckdb.prepare_extracted_statement(connection, statements, 0);
  try {
    const type = duckdb.prepared_statement_type(prepared);
    if (type !== StatementType.SELECT && type !== StatementType.EXPLAIN) throw notAllowed();
    if (duckdb.nparams(prepared) > 0) {
      throw new PintailError("invalid", "query has parameters, which cannot be given here");
    }
  } finally {
    duckdb.destroy_prepare_sync(prepared);
  }
}

type Serialized = {
  readonly error: boolean;
  readonly error_type?: string;
  readonly error_message?: string;
  readonly statements?: readonly unknown[];
};

/** DuckDB writes the syntax tree of SELECT statements as JSON, and of no others. */
async function assertSelect(connection: duckdb.Connection, sql: string): Promise<Serialized> {
  const parsed = await parse(connection, sql);
  if (parsed.error) {
    const { error_type: type, error_message: message } = parsed;
    if (type === "not implemented") throw notAllowed();
    throw new PintailError("invalid", `duckdb: ${message ?? "the query cannot be parsed"}`);
  }
  const count = parsed.statements?.length ?? 0;
  if (count === 0) throw new PintailError("invalid", "query is empty");
  if (count > 1) throw new PintailError("invalid", `query has ${count} statements of 1`);
  return parsed;
}

async function parse(connection: duckdb.Connection, sql: string): Promise<Serialized> {
  const prepared = await duckdb.prepare(connection, "SELECT json_serialize_sql($1::VARCHAR)");
  try {
    duckdb.bind_varchar(prepared, 1, sql);
    const chunk = await duckdb.fetch_chunk(await duckdb.execute_prepared(prepared));
    if (chunk === null) throw new Error("json_serialize_sql gave no row");
    const [json] = readText(duckdb.data_chunk_get_vector(chunk, 0), 1).slice(0, 1);
    return JSON.parse(String(json)) as Serialized;
  } finally {
    duckdb.destroy_prepare_sync(prepared);
  }
}

const readText = vectorReader(duckdb.create_logical_type(duckdb.Type.VARCHAR));

function notAllowed(): PintailError {
  return new PintailError("invalid", "only SELECT and EXPLAIN of a SELECT are allowed here");
}
