/** Forms of a result. `rows` is for programs that print it: see `encode-rows.ts`. */
export const SQL_FORMATS = ["csv", "json", "ndjson", "parquet", "rows"] as const;
export type SqlFormat = (typeof SQL_FORMATS)[number];

/** A statement that a person wrote, and the world it may see. */
export type IsolatedQuery = {
  readonly sql: string;
  /** An equal statement to take instead when it binds. */
  readonly fasterSql: string | undefined;
  /** Our own statements, run before the doors close: they make the views. */
  readonly setup: readonly string[];
  /** Files that may be read, and no others. */
  readonly allowedPaths: readonly string[];
  /** By the views alone: the files hold what nobody may read. */
  readonly viewOnly?: boolean | undefined;
  readonly format: SqlFormat;
  /** The result ends after these, 0 = all. */
  readonly limit: number;
  /** More fail with `limited`, 0 = any number. */
  readonly maxRows: number;
};

export type IsolatedAnswer = {
  /**
   * The encoded result. It errors, with a `PintailError`, when the query fails after its first rows
   * were sent. Cancelling it ends the query.
   */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Resolves when the query holds nothing any more, whether or not the body was read. */
  readonly ended: Promise<void>;
};

export type RunOptions = {
  /**
   * Ends the query, until the last byte was taken: with the signal's reason when that is a
   * `PintailError`, such as its caller's `timeout`, else with `canceled`.
   */
  readonly signal: AbortSignal;
};

export interface IsolatedSql {
  /**
   * Resolves when the first rows are there. Rejects with `invalid` (the statement is wrong, refused
   * or fails), `limited` (memory), `not_found` (a file is gone), and as `signal` says.
   */
  run(query: IsolatedQuery, options: RunOptions): Promise<IsolatedAnswer>;
}

export type IsolatedSettings = {
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** The query's own. */
  readonly tempDir: string;
  readonly maxTempBytes: number;
};

/** What the process is told, as one line of JSON. */
export type IsolatedRequest = IsolatedQuery & { readonly settings: IsolatedSettings };
