import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import type { UniversalHandler } from "../runtime/grpc/service.ts";

export type ConnectLimits = {
  readonly maxRecvMessageBytes: number;
  readonly maxSendMessageBytes: number;
};

/**
 * gRPC handlers for services given as Connect routes, to be served beside raw methods by `listen`.
 * Throws when a service has a method that `listen` cannot serve.
 */
export function connectHandlers(
  routes: (router: ConnectRouter) => void,
  limits: ConnectLimits,
): readonly UniversalHandler[] {
  const router = createConnectRouter({
    grpc: true,
    grpcWeb: false,
    connect: false,
    acceptCompression: [compressionGzip],
    readMaxBytes: limits.maxRecvMessageBytes,
    writeMaxBytes: limits.maxSendMessageBytes,
  });
  routes(router);
  return router.handlers;
}
