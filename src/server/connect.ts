import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import { createFetchHandler, type UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";

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
 * The same handler behind `fetch`, for gRPC-Web and Connect over any version of HTTP. gRPC itself
 * is refused there (415): a `Response` has no trailers.
 */
export function connectFetchHandler(
  handler: UniversalHandler,
): (request: Request) => Promise<Response> {
  const answer = createFetchHandler(handler);
  return async (request) => {
    const type = request.headers.get("content-type") ?? "";
    const needsTrailers = /^application\/grpc(?!-web)/.test(type);
    return needsTrailers ? new Response(null, { status: 415 }) : await answer(request);
  };
}
