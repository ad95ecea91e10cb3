import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { traceToProtobuf } from "../../api/wire/trace-protobuf.ts";
import type { Database } from "../../drivers/duckdb/database.ts";
import { openDatabase } from "../../drivers/duckdb/node-database.ts";
import { groupSpans } from "../../query/combine-trace.ts";
import { RowsToSpans } from "../../query/rows-to-spans.ts";
import { columnListSql, globOf } from "../../query/segment-sql.ts";
import { FIXED_COLUMNS } from "../../schema/columns.ts";
import { quoteLiteral } from "../../traceql/sql/sql.ts";
import { ImportFileError } from "./import-file-error.ts";

type Parts = AsyncGenerator<Uint8Array<ArrayBuffer>, void, void>;

const MEMORY_BYTES = 512 * 1024 * 1024;

/** The spans of a Parquet file that Pintail wrote, as ExportTraceServiceRequests, some thousand each. */
export async function* parquetParts(path: string): Parts {
  const tempDir = await mkdtemp(join(tmpdir(), "pintail-import-"));
  try {
    const database = await openDatabase({
      ...{ memoryLimitBytes: MEMORY_BYTES, tempDir, threads: 1, maxConcurrent: 1 },
    });
    try {
      yield* partsOf(database, `read_parquet(${quoteLiteral(globOf(path))})`);
    } finally {
      await database[Symbol.asyncDispose]();
    }
  } finally {
    await rm(tempDir, { recursive: true, force: true });
  }
}

async function* partsOf(database: Database, source: string): Parts {
  const names = await columnsOf(database, source);
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>>();
  const writer = writable.getWriter();
  const reader = new RowsToSpans();
  const stop = new AbortController();
  const query = database
    .chunks(
      `SELECT ${columnListSql(names)} FROM ${source}`,
      (chunk) => {
        const message = traceToProtobuf(groupSpans(reader.read(chunk, names)), {
          resources: "stored",
        });
        return writer.write(message as Uint8Array<ArrayBuffer>);
      },
      { signal: stop.signal },
    )
    .then(
      () => writer.close(),
      (error: unknown) => writer.abort(error),
    )
    // The reader has it, or is gone.
    .catch(() => {});
  try {
    for await (const message of readable) yield message;
  } catch (cause) {
    throw fileError(cause);
  } finally {
    stop.abort();
    await query;
  }
}

async function columnsOf(database: Database, source: string): Promise<string[]> {
  const rows = await database.rows(`DESCRIBE SELECT * FROM ${source}`).catch((cause: unknown) => {
    throw fileError(cause);
  });
  const names = rows.map(([name]) => String(name));
  const missing = FIXED_COLUMNS.find(({ name }) => !names.includes(name));
  if (missing === undefined) return names;
  throw new ImportFileError(`these are no spans of Pintail's: there is no column ${missing.name}`);
}

function fileError(cause: unknown): ImportFileError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ImportFileError(`cannot read this Parquet file: ${reason.slice(0, 300)}`, { cause });
}
