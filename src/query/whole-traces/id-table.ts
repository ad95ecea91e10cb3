import type { ScratchTable } from "../../drivers/duckdb/scratch-table.ts";
import type { QueryRun } from "../query-context.ts";
import { traceIdFromHex } from "../trace-id.ts";

/** `trace_id` of these and `trace_no`, their place. */
export async function idTable(run: QueryRun, traceIds: readonly string[]): Promise<ScratchTable> {
  const ids = new Uint8Array(16 * traceIds.length);
  let at = 0;
  await run.forEach(traceIds, (traceId) => {
    ids.set(traceIdFromHex(traceId), at);
    at += 16;
  });
  return await run.scratchTable([
    { name: "trace_id", type: "UUID", values: ids },
    { name: "trace_no", type: "INTEGER", values: Int32Array.from(traceIds, (_, i) => i) },
  ]);
}
