import { Hono } from "hono";
import type { SqlFormat } from "../../drivers/duckdb/isolated/isolated-sql.ts";
import { PintailError } from "../../errors.ts";
import type { SqlQuery } from "../../query/sql/sql-query.ts";
import { type HonoEnv, readRequestBody } from "../../server/body.ts";
import { type ReadTenantRules, readTenants, tenantHeaderValues } from "../../server/tenant.ts";
import { textErrorResponse } from "../../server/text-error.ts";
import type { Logger } from "../../telemetry/logger.ts";

export type SqlRouteParts = {
  readonly sql: SqlQuery;
  readonly log: Logger;
  readonly tenantRules: ReadTenantRules;
  /** Prefix of `/api/…`; "" or a path that begins with "/". */
  readonly apiPrefix: string;
  readonly maxStatementBytes: number;
};

/** For programs that print a result; see `SqlFormat`. */
export const SQL_ROWS_TYPE = "application/vnd.pintail.sql-rows+x-ndjson";

const TYPES: readonly { readonly type: string; readonly format: SqlFormat }[] = [
  { type: "application/json", format: "json" },
  { type: "application/x-ndjson", format: "ndjson" },
  { type: "text/csv", format: "csv" },
  { type: "application/vnd.apache.parquet", format: "parquet" },
  { type: SQL_ROWS_TYPE, format: "rows" },
];

/**
 * `POST /api/sql`: the body is one SQL statement over the view `spans`, `Accept` chooses the form of
 * the result (JSON when nothing known is asked for). Parameters: `limit` (rows the result ends
 * after) and `timeout` (seconds). The result is streamed; when the query fails after its first rows
 * the connection is cut.
 */
export function sqlRoutes(parts: SqlRouteParts): Hono<HonoEnv> {
  const app = new Hono<HonoEnv>();
  app.post(`${parts.apiPrefix.replace(/\/+$/, "")}/api/sql`, async (c) => {
    try {
      const request = c.req.raw;
      const tenants = readTenants(tenantHeaderValues(request.headers), parts.tenantRules);
      const { type, format } = chosenType(request.headers.get("accept"));
      const seconds = numberParameter(c.req.query("timeout"), "timeout");
      const limit = numberParameter(c.req.query("limit"), "limit") ?? 0;
      const sql = utf8(await readRequestBody(c, parts.maxStatementBytes));
      const timeoutMs = seconds === undefined ? undefined : seconds * 1000;
      const answer = await parts.sql.run(
        { tenants, sql, format, limit, timeoutMs },
        request.signal,
      );
      return new Response(answer.body, {
        headers: { "content-type": type === "text/csv" ? `${type}; charset=utf-8` : type },
      });
    } catch (error) {
      return textErrorResponse(error, parts.log);
    }
  });
  return app;
}

/** The first known type in the header's order; quality values are not weighed. */
function chosenType(accept: string | null): (typeof TYPES)[number] {
  for (const part of (accept ?? "").split(",")) {
    const name = part.split(";")[0]!.trim().toLowerCase();
    const found = TYPES.find(({ type }) => type === name);
    if (found !== undefined) return found;
  }
  return TYPES[0]!;
}

function numberParameter(text: string | undefined, name: string): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,15}(\.\d{1,6})?$/.test(text)) {
    throw new PintailError("invalid", `${name} '${text.slice(0, 50)}' is not a positive number`);
  }
  return Number(text);
}

function utf8(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (cause) {
    throw new PintailError("invalid", "the statement is not UTF-8", { cause });
  }
}
