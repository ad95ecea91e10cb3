import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import { createFetchHandler, type UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { Hono } from "hono";
import type { HonoEnv } from "./body.ts";

export type ConnectLimits = {
  readonly maxRecvMessageBytes: number;
  readonly maxSendMessageBytes: number;
};

/**
 * Handlers for services given as Connect routes, to be served beside raw methods by `listen`: gRPC,
 * gRPC-Web and Connect by content type. Throws when a service has a method that `listen` cannot
 * serve.
 */
export function connectHandlers(
  routes: (router: ConnectRouter) => void,
  limits: ConnectLimits,
): readonly UniversalHandler[] {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip],
    readMaxBytes: limits.maxRecvMessageBytes,
    writeMaxBytes: limits.maxSendMessageBytes,
  });
  routes(router);
  return router.handlers;
}

/**
 * The same handlers as routes, for gRPC-Web and Connect over any version of HTTP. gRPC itself is
 * refused there (415): a `Response` has no trailers.
 */
export function connectRoutes(handlers: readonly UniversalHandler[]): Hono<HonoEnv> {
  const app = new Hono<HonoEnv>();
  for (const handler of handlers) {
    const answer = createFetchHandler(handler);
    app.all(handler.requestPath, async (c) => {
      const type = c.req.header("content-type") ?? "";
      if (/^application\/grpc(?!-web)/.test(type)) return new Response(null, { status: 415 });
      c.env?.keepOpen?.();
      return await answer(c.req.raw);
    });
  }
  return app;
}
