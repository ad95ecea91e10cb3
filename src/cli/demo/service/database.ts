import { setTimeout as sleep } from "node:timers/promises";
import { SpanStatusCode, trace } from "@opentelemetry/api";
import type { DatabaseQuery } from "./database-client.ts";
import type { Route } from "./http.ts";
import type { ServiceSettings } from "./settings.ts";

const tracer = trace.getTracer("shopdb-engine", "5.1.0");

/** Rows kept per table; the oldest orders make room. */
const MAX_ROWS = 5_000;
type Row = Record<string, unknown>;

function seed(): Map<string, Row[]> {
  const names = ["teapot", "cup", "saucer", "kettle", "strainer", "tray"];
  const products = Array.from({ length: 12 }, (_, i) => ({
    id: `p-${i + 1}`,
    name: `${names[i % names.length]} ${1 + Math.floor(i / names.length)}`,
    price_cents: 900 + i * 350,
    stock: 100 + i * 10,
  }));
  return new Map<string, Row[]>([
    ["products", products],
    ["cart_items", []],
    ["orders", []],
    ["shipments", []],
  ]);
}

/** A small store that takes statements with placeholders: the first parameter is the key. */
export function databaseRoutes(settings: ServiceSettings): Route[] {
  const tables = seed();
  return [
    {
      method: "POST",
      path: "/query",
      async handle({ body }) {
        const query = body as DatabaseQuery;
        const table = tables.get(query.collection);
        if (table === undefined) {
          return { status: 400, body: { error: `no table '${query.collection}'` } };
        }
        await parse(settings, query);
        return await tracer.startActiveSpan(`execute ${query.operation}`, async (span) => {
          try {
            span.setAttribute("shopdb.table.rows", table.length);
            if (settings.chance(0.03)) {
              span.addEvent("lock.wait", { "lock.table": query.collection, "lock.mode": "row" });
              await sleep(settings.latencyMs(400));
            } else {
              await sleep(settings.latencyMs(query.operation === "SELECT" ? 2 : 5));
            }
            if (query.operation !== "SELECT" && settings.chance(0.01)) {
              const error = new Error("deadlock detected, transaction rolled back");
              error.name = "DeadlockError";
              span.recordException(error);
              span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
              return { status: 500, body: { error: error.message } };
            }
            return { status: 200, body: { rows: execute(table, query) } };
          } finally {
            span.end();
          }
        });
      },
    },
  ];
}

async function parse(settings: ServiceSettings, query: DatabaseQuery): Promise<void> {
  await tracer.startActiveSpan("parse", async (span) => {
    const cached = !settings.chance(0.2);
    span.setAttributes({ "shopdb.plan.cached": cached, "shopdb.text.length": query.text.length });
    if (!cached) {
      span.addEvent("plan.compiled", { "plan.cost": settings.latencyMs(40) });
      await sleep(settings.latencyMs(3));
    }
    span.end();
  });
}

function execute(table: Row[], query: DatabaseQuery): Row[] {
  const [key, ...values] = query.parameters;
  const named = key === undefined ? table : table.filter((row) => row.id === key);
  switch (query.operation) {
    case "SELECT":
      return named.slice(0, 100);
    case "INSERT":
      table.push({ id: key, values });
      if (table.length > MAX_ROWS) table.shift();
      return [];
    case "UPDATE":
      for (const row of named) row.stock = Number(row.stock ?? 0) + Number(values[0] ?? 0);
      return named;
    default:
      return query.operation satisfies never;
  }
}
