import { trace } from "@opentelemetry/api";
import { call, type Route, type ShopAnswer } from "./http.ts";
import type { ServiceSettings } from "./settings.ts";

const tracer = trace.getTracer("frontend", "1.0.0");

export function frontendRoutes(settings: ServiceSettings): Route[] {
  const forward = (
    peer: string,
    path: string,
    body?: unknown,
    method: "GET" | "POST" = body === undefined ? "GET" : "POST",
  ): Promise<ShopAnswer> =>
    call(settings.peer(peer), path, { method, body, attributes: { "peer.service": peer } });

  return [
    {
      method: "GET",
      path: "/products",
      async handle() {
        const answer = await forward("inventory", "/products");
        return { status: answer.status, body: render("products", answer.body) };
      },
    },
    {
      method: "GET",
      path: "/product/{id}",
      async handle({ parameters }) {
        const answer = await forward("inventory", `/products/${parameters.id}`);
        return { status: answer.status, body: render("product", answer.body) };
      },
    },
    {
      method: "POST",
      path: "/cart/{user}",
      handle: ({ parameters, body }) => forward("cart", `/cart/${parameters.user}`, body ?? {}),
    },
    {
      method: "POST",
      path: "/checkout/{user}",
      handle: ({ parameters }) =>
        forward("checkout", `/checkout/${parameters.user}`, undefined, "POST"),
    },
  ];
}

function render(template: string, body: unknown): unknown {
  return tracer.startActiveSpan("render", (span) => {
    span.setAttributes({
      "template.name": template,
      "template.bytes": JSON.stringify(body).length,
    });
    span.end();
    return body;
  });
}
