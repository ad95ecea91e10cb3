import { trace } from "@opentelemetry/api";
import { queryDatabase } from "./database-client.ts";
import { call, type Route } from "./http.ts";
import { sendMessage } from "./queue-client.ts";
import type { ServiceSettings } from "./settings.ts";

type Item = { readonly product: string; readonly quantity: number };
const tracer = trace.getTracer("checkout", "2.4.1");

export function checkoutRoutes(settings: ServiceSettings): Route[] {
  return [
    {
      method: "POST",
      path: "/checkout/{user}",
      async handle({ parameters }) {
        const user = parameters.user!;
        const order = `o-${crypto.randomUUID().slice(0, 8)}`;
        const span = trace.getActiveSpan();
        span?.setAttributes({ "enduser.id": user, "shop.order.id": order });
        const cart = await call(settings.peer("cart"), `/cart/${user}`, {
          attributes: { "peer.service": "cart" },
        });
        const items = (cart.body as { items: Item[] }).items;
        if (items.length === 0) return { status: 400, body: { error: "the cart is empty" } };
        span?.setAttribute(
          "shop.order.products",
          items.map((item) => item.product),
        );
        // Stock of all items at once: siblings that overlap in time.
        const reserved = await Promise.all(items.map((item) => reserve(settings, item)));
        if (reserved.includes(false)) {
          return { status: 409, body: { error: "an item is out of stock" } };
        }
        const cents = price(items);
        const paid = await call(settings.peer("payment"), "/charge", {
          method: "POST",
          body: { cents },
          attributes: { "peer.service": "payment" },
        });
        if (paid.status !== 200) return paid;
        await queryDatabase(settings, {
          operation: "INSERT",
          collection: "orders",
          text: "INSERT INTO orders VALUES (?, ?, ?)",
          parameters: [order, user, cents],
        });
        await sendMessage(settings, "orders", crypto.randomUUID(), { order, user, items });
        span?.addEvent("order.placed", { "shop.order.id": order, "shop.order.cents": cents });
        return { status: 201, body: { order } };
      },
    },
  ];
}

async function reserve(settings: ServiceSettings, item: Item): Promise<boolean> {
  const answer = await call(settings.peer("inventory"), `/products/${item.product}/reserve`, {
    method: "POST",
    body: { quantity: item.quantity },
    attributes: { "peer.service": "inventory" },
  });
  return answer.status === 200;
}

function price(items: readonly Item[]): number {
  return tracer.startActiveSpan("price order", (span) => {
    const cents = items.reduce((sum, item) => sum + item.quantity * 1250, 0);
    span.setAttributes({ "shop.order.cents": cents, "shop.order.discounted": cents > 5000 });
    span.end();
    return cents;
  });
}
