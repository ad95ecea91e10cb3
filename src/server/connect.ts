import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import { createFetchHandler, type UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { Hono } from "hono";
import type { HonoEnv } from "./body.ts";

export type ConnectLimits = {
  readonly maxRecvMessageBytes: number;
  readonly maxSendMessageBytes: number;
};

/** Serves one method; fits `listen` too. */
export type ConnectHandler = UniversalHandlerFn & { readonly requestPath: string };

/**
 * Handlers for services given as Connect routes, to be served beside raw methods by `listen`: gRPC,
 * gRPC-Web and Connect by content type. Throws when a service has a method that `listen` cannot
 * serve.
 */
export function connectHandlers(
  routes: (router: ConnectRouter) => void,
  limits: ConnectLimits,
): readonly ConnectHandler[] {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip],
    readMaxBytes: limits.maxRecvMessageBytes,
    writeMaxBytes: limits.maxSendMessageBytes,
  });
  routes(router);
  return router.handlers;
}

/**
 * The same for methods (`/package.Service/Method`) whose modules are loaded when the first call of
 * one comes: most servers never get one.
 */
export function lazyConnectHandlers(
  methods: readonly string[],
  loadRoutes: () => Promise<(router: ConnectRouter) => void>,
  limits: ConnectLimits,
): readonly ConnectHandler[] {
  let loading: Promise<readonly ConnectHandler[]> | undefined;
  return methods.map((requestPath) => {
    const handle: UniversalHandlerFn = async (request) => {
      loading ??= loadRoutes().then((routes) => connectHandlers(routes, limits));
      const handler = (await loading).find((loaded) => loaded.requestPath === requestPath);
      if (handler === undefined) throw new Error(`no routes serve ${requestPath}`);
      return await handler(request);
    };
    return Object.assign(handle, { requestPath });
  });
}

/**
 * The same handlers as routes, for gRPC-Web and Connect over any version of HTTP. gRPC itself is
 * refused there (415): a `Response` has no trailers.
 */
export function connectRoutes(handlers: readonly ConnectHandler[]): Hono<HonoEnv> {
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
