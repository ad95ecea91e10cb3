import { trace } from "@opentelemetry/api";
import { queryDatabase } from "./database-client.ts";
import { call, type Route } from "./http.ts";
import type { ServiceSettings } from "./settings.ts";

export function cartRoutes(settings: ServiceSettings): Route[] {
  return [
    {
      method: "POST",
      path: "/cart/{user}",
      async handle({ parameters, body }) {
        const { product, quantity } = body as { product: string; quantity: number };
        trace.getActiveSpan()?.setAttributes({
          "enduser.id": parameters.user!,
          "shop.product.id": product,
          "shop.quantity": quantity,
        });
        const found = await call(settings.peer("inventory"), `/products/${product}`, {
          attributes: { "peer.service": "inventory" },
        });
        if (found.status !== 200) return found;
        await queryDatabase(settings, {
          operation: "INSERT",
          collection: "cart_items",
          text: "INSERT INTO cart_items VALUES (?, ?, ?)",
          parameters: [parameters.user!, product, quantity],
        });
        return { status: 201, body: { added: product } };
      },
    },
    {
      method: "GET",
      path: "/cart/{user}",
      async handle({ parameters }) {
        const rows = await queryDatabase(settings, {
          operation: "SELECT",
          collection: "cart_items",
          text: "SELECT * FROM cart_items WHERE id = ?",
          parameters: [parameters.user!],
        });
        const items = rows.map((row) => {
          const [product, quantity] = row.values as [string, number];
          return { product, quantity };
        });
        trace.getActiveSpan()?.setAttribute("shop.cart.items", items.length);
        return { status: 200, body: { items: items.slice(-5) } };
      },
    },
  ];
}
