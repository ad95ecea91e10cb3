import { type ErrorKind, isPintailError, PintailError } from "../../errors.ts";
import { LOST_SCRATCH_TABLE } from "./scratch-table.ts";

const RETRY_MS = 1000;

/** Tried in order on DuckDB's message. */
const PATTERNS: readonly { readonly pattern: RegExp; readonly kind: ErrorKind }[] = [
  { pattern: /^Out of Memory Error/, kind: "limited" },
  { pattern: /^Failed to append: .*failed to (offload|allocate|pin)/, kind: "limited" },
  { pattern: /^INTERRUPT Error/, kind: "canceled" },
  { pattern: /No space left on device|Disk quota exceeded/, kind: "unavailable" },
  { pattern: /Could not set lock on file|Conflicting lock is held/, kind: "unavailable" },
  { pattern: LOST_SCRATCH_TABLE, kind: "unavailable" },
  { pattern: /No files found that match|No such file or directory/, kind: "not_found" },
  { pattern: /No magic bytes found|too small to be a Parquet file/, kind: "corrupt" },
  { pattern: /Could not read enough bytes|TProtocolException|Corrupt|corrupt/, kind: "corrupt" },
  { pattern: /not a valid DuckDB database file|Failure while replaying WAL/, kind: "corrupt" },
];

/**
 * DuckDB's error as ours: `limited` (memory or spill bound), `canceled`, `not_found` (a listed file
 * is gone: try again with a fresh catalog), `corrupt`, `unavailable` (disk full), else `otherwise`.
 */
export function duckdbError(cause: unknown, otherwise: ErrorKind = "internal"): PintailError {
  if (isPintailError(cause)) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const kind = PATTERNS.find(({ pattern }) => pattern.test(message))?.kind ?? otherwise;
  const retry = kind === "unavailable" || kind === "limited" ? { retryAfterMs: RETRY_MS } : {};
  return new PintailError(kind, `duckdb: ${summary(message)}`, { cause, ...retry });
}

/** After these nothing works on the database until it is opened again. */
export function invalidatesDatabase(cause: unknown): boolean {
  const message = cause instanceof Error ? cause.message : String(cause);
  return /database has been invalidated|^FATAL Error/.test(message);
}

/** The first paragraph: what follows quotes the statement or gives advice about settings. */
function summary(message: string): string {
  return (message.split("\n\n")[0] ?? message).replaceAll("\n", " ").slice(0, 500);
}
