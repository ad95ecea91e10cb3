import { trace } from "@opentelemetry/api";
import { queryDatabase } from "./database-client.ts";
import type { Route } from "./http.ts";
import type { ServiceSettings } from "./settings.ts";

const tracer = trace.getTracer("inventory", "1.0.0");
const CACHE_MS = 2_000;

export function inventoryRoutes(settings: ServiceSettings): Route[] {
  const cache = new Map<string, { untilMs: number; rows: readonly Record<string, unknown>[] }>();

  /** A look-up in the process's own cache: an INTERNAL span, and a query only on a miss. */
  async function products(id: string | undefined): Promise<readonly Record<string, unknown>[]> {
    return await tracer.startActiveSpan("cache.lookup", async (span) => {
      const key = id ?? "*";
      const kept = cache.get(key);
      const hit = kept !== undefined && kept.untilMs > Date.now();
      span.setAttributes({ "cache.key": key, "cache.hit": hit });
      try {
        if (hit) return kept.rows;
        const rows = await queryDatabase(settings, {
          operation: "SELECT",
          collection: "products",
          text: `SELECT * FROM products${id === undefined ? "" : " WHERE id = ?"}`,
          parameters: id === undefined ? [] : [id],
        });
        // Unknown ids are not kept, so visitors cannot grow the cache.
        if (rows.length > 0) cache.set(key, { untilMs: Date.now() + CACHE_MS, rows });
        return rows;
      } finally {
        span.end();
      }
    });
  }

  return [
    {
      method: "GET",
      path: "/products",
      handle: async () => ({ status: 200, body: { products: await products(undefined) } }),
    },
    {
      method: "GET",
      path: "/products/{id}",
      async handle({ parameters }) {
        const id = parameters.id!;
        const [product] = await products(id);
        if (product === undefined) return { status: 404, body: { error: `no product ${id}` } };
        return { status: 200, body: product };
      },
    },
    {
      method: "POST",
      path: "/products/{id}/reserve",
      async handle({ parameters, body }) {
        const id = parameters.id!;
        const quantity = Number((body as { quantity?: number } | undefined)?.quantity ?? 1);
        trace.getActiveSpan()?.setAttributes({ "shop.product.id": id, "shop.quantity": quantity });
        if (settings.chance(0.02)) {
          trace.getActiveSpan()?.addEvent("stock.exhausted", { "shop.product.id": id });
          return { status: 409, body: { error: `${id} is out of stock` } };
        }
        await queryDatabase(settings, {
          operation: "UPDATE",
          collection: "products",
          text: "UPDATE products SET stock = stock + ? WHERE id = ?",
          parameters: [id, -quantity],
        });
        return { status: 200, body: { reserved: quantity } };
      },
    },
  ];
}
