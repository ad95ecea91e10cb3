import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { send } from "./http.ts";
import type { ServiceSettings } from "./settings.ts";

export type DatabaseQuery = {
  readonly operation: "SELECT" | "INSERT" | "UPDATE";
  readonly collection: string;
  /** With placeholders; the values are in `parameters`. */
  readonly text: string;
  readonly parameters: readonly (string | number)[];
};

const tracer = trace.getTracer("shop-db-client", "1.2.0");

/** Asks the database service, in a CLIENT span as database drivers report it. */
export async function queryDatabase(
  settings: ServiceSettings,
  query: DatabaseQuery,
): Promise<readonly Record<string, unknown>[]> {
  const url = new URL("/query", settings.peer("shop-db"));
  return await tracer.startActiveSpan(
    `${query.operation} ${query.collection}`,
    {
      kind: SpanKind.CLIENT,
      attributes: {
        "db.system.name": "shopdb",
        "db.namespace": "shop",
        "db.operation.name": query.operation,
        "db.collection.name": query.collection,
        "db.query.text": query.text,
        "server.address": url.hostname,
        "server.port": Number(url.port),
      },
    },
    async (span) => {
      try {
        const answer = await send(url, "POST", query);
        const body = answer.body as { rows?: Record<string, unknown>[]; error?: string };
        if (answer.status !== 200) throw new Error(body.error ?? `status ${answer.status}`);
        const rows = body.rows ?? [];
        span.setAttribute("db.response.returned_rows", rows.length);
        return rows;
      } catch (error) {
        span.recordException(error as Error);
        span.setAttribute("error.type", "database_error");
        span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
        throw error;
      } finally {
        span.end();
      }
    },
  );
}
