export type SqlSettings = {
  /** Ad-hoc queries at once; each is a process of its own. */
  readonly maxConcurrent: number;
  /** Queries waiting for a place, per tenant; beyond it 429. */
  readonly maxOutstandingPerTenant: number;
  /** Of a query that names none. */
  readonly defaultTimeoutMs: number;
  /** What a query may ask for. */
  readonly maxTimeoutMs: number;
  /** Bytes of a statement. */
  readonly maxStatementBytes: number;
  /** Rows of a JSON array, which clients read whole; beyond it 429. */
  readonly maxJsonRows: number;
};

export const DEFAULT_SQL_SETTINGS: SqlSettings = {
  maxConcurrent: 2,
  maxOutstandingPerTenant: 8,
  defaultTimeoutMs: 60_000,
  maxTimeoutMs: 600_000,
  maxStatementBytes: 256 * 1024,
  maxJsonRows: 1_000_000,
};
