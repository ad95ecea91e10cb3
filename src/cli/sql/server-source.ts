import { SQL_ROWS_TYPE } from "../../api/http/sql.ts";
import type { SqlFormat } from "../../drivers/duckdb/isolated/isolated-sql.ts";
import type { SqlSource } from "./source.ts";

export const DEFAULT_URL = "http://localhost:3200";
const PROBE_TIMEOUT_MS = 1_000;

const ACCEPT: Record<SqlFormat, string> = {
  csv: "text/csv",
  json: "application/json",
  ndjson: "application/x-ndjson",
  parquet: "application/vnd.apache.parquet",
  rows: SQL_ROWS_TYPE,
};

export function serverSource(url: string): SqlSource {
  const base = url.replace(/\/+$/, "");
  return {
    async run({ sql, format, limit, timeoutMs, tenant, signal }) {
      const parameters = new URLSearchParams();
      if (limit > 0) parameters.set("limit", String(limit));
      if (timeoutMs !== undefined) parameters.set("timeout", String(timeoutMs / 1000));
      const response = await fetch(`${base}/api/sql?${parameters}`, {
        method: "POST",
        headers: {
          "content-type": "application/sql",
          accept: ACCEPT[format],
          ...(tenant === undefined ? {} : { "x-scope-orgid": tenant }),
        },
        body: sql,
        signal,
      }).catch((cause: unknown) => {
        if (signal.aborted) throw cause;
        throw new Error(`no server answers at ${base}`, { cause });
      });
      if (!response.ok) {
        const text = (await response.text()).trim();
        throw new Error(text === "" ? `the server answered ${response.status}` : text);
      }
      return response.body ?? new Blob([]).stream();
    },
  };
}

/** Whether a server answers there, ready or not. */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}
