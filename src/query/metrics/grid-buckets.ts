import { TIME_MAX_UNIX_NANO } from "../../schema/columns.ts";
import type { MetricsGrid } from "./grid.ts";

/** How rows are grouped by the buckets of a grid. */
export type GridBuckets = {
  /** An INTEGER for each row that starts in the grid; others may have any. */
  readonly sql: string;
  /** The bucket's number, counted from 0, for what `sql` gave; outside of the grid it may be any other. */
  bucketOf(code: number): number;
};

const CODE_MASK = 2 ** 31 - 1;

/**
 * Buckets end with their right edge, so that a row is in the one that its start less a nanosecond is
 * in. `~-x` is `x - 1`, and that without the database's check for an overflow, which costs more than
 * the division; what is left to subtract is subtracted from the groups.
 *
 * `anywhere`: rows that start outside of the grid have a bucket outside of it.
 */
export function gridBuckets(grid: MetricsGrid, anywhere = false): GridBuckets {
  const { startUnixNano, stepNanos, count } = grid;
  if (count === 1) return { sql: "0", bucketOf: () => 0 };
  // Of shorter steps so many may pass that the codes begin anew.
  const isUnique = stepNanos * BigInt(CODE_MASK) > TIME_MAX_UNIX_NANO;
  if (startUnixNano % stepNanos !== 0n || (anywhere && !isUnique)) {
    return { sql: bucketSql(grid, anywhere), bucketOf: (code) => code };
  }
  // Of large numbers the low bits are enough: there are fewer buckets than codes.
  const first = Number((startUnixNano / stepNanos) & BigInt(CODE_MASK));
  return {
    sql: `CAST(((~(-epoch_ns(start_time))) // ${stepNanos}) & ${CODE_MASK} AS INTEGER)`,
    bucketOf: (code) => (code - first) & CODE_MASK,
  };
}

/**
 * Number of the bucket of a row in the grid, counted from 0. `anywhere`: rows that start after the
 * grid have `count`.
 */
function bucketSql(grid: MetricsGrid, anywhere: boolean): string {
  const { startUnixNano, stepNanos, count } = grid;
  const bucket = `(epoch_ns(start_time) - ${startUnixNano + 1n}) // ${stepNanos}`;
  return `CAST(${anywhere ? `least(${bucket}, ${count})` : bucket} AS INTEGER)`;
}
