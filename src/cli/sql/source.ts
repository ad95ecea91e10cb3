import type { SqlFormat } from "../../drivers/duckdb/isolated/isolated-sql.ts";

/** Where a statement is answered: a server or a data folder. */
export type SqlSource = {
  /** Rejects with an `Error` to show; the stream errors when the query fails later. */
  run(request: SourceRequest): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
};

export type SourceRequest = {
  readonly sql: string;
  readonly format: SqlFormat;
  readonly limit: number;
  readonly timeoutMs: number | undefined;
  readonly tenant: string | undefined;
  readonly signal: AbortSignal;
};
