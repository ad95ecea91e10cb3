import type { QueryRun } from "../../query-context.ts";
import type { RowSources } from "../row-sources.ts";

/**
 * Calls `work` with rows for any number of statements: each would run the whole pipeline again, so
 * what it gives is kept in a table meanwhile.
 */
export async function withKeptHits(
  run: QueryRun,
  rows: RowSources,
  work: (rows: RowSources) => Promise<void>,
): Promise<void> {
  const { hits } = rows;
  if (hits === undefined) {
    await work(rows);
    return;
  }
  const table = await run.scratchTableOf(hits.select);
  try {
    if (table.rowCount > 0) {
      await work({ ...rows, prelude: hits.preludeOver(table.name), hits: undefined });
    }
  } finally {
    await table[Symbol.asyncDispose]();
  }
}
