import type { Ingest } from "../ingest/ingest.ts";
import { otlpGrpcService } from "../receivers/otlp/grpc.ts";
import { otlpHttpRoutes } from "../receivers/otlp/http.ts";
import type { OtlpReceiverSettings } from "../receivers/otlp/settings.ts";
import type { ReceiverDeps } from "../receivers/shared/push-outcome.ts";
import { zipkinRoutes } from "../receivers/zipkin/http.ts";
import type { ZipkinReceiverSettings } from "../receivers/zipkin/settings.ts";
import { ByteBudget } from "../runtime/byte-budget.ts";
import { parseEndpoint } from "../runtime/endpoint.ts";
import type { GrpcService } from "../runtime/grpc/service.ts";
import type { FetchHandler } from "../runtime/http/handler.ts";
import { type Listener, listen } from "../runtime/listen.ts";
import { loadTls } from "../runtime/tls.ts";
import type { ServerSettings } from "../server/settings.ts";

export type Doors = {
  readonly listeners: readonly (Listener & { readonly name: string })[];
  close(deadlineMs: number): Promise<void>;
};

export type DoorParts = {
  readonly ingest: Ingest;
  readonly receivers: ReceiverDeps;
  readonly api: FetchHandler;
  readonly grpc: GrpcService;
  readonly report: (error: unknown) => void;
};

export type DoorSettings = {
  readonly server: ServerSettings;
  readonly otlp: OtlpReceiverSettings;
  readonly zipkin: ZipkinReceiverSettings | undefined;
};

/** Bodies and messages that are still arriving, over all doors. */
const ARRIVING_BYTES = 128 * 1024 * 1024;

/** Opens all ports, or none: when one fails the others are closed again and the error is thrown. */
export async function openDoors(parts: DoorParts, settings: DoorSettings): Promise<Doors> {
  const { server, otlp, zipkin } = settings;
  const budget = new ByteBudget(ARRIVING_BYTES);
  const listeners: (Listener & { readonly name: string })[] = [];
  const open = async (options: Omit<Parameters<typeof listen>[0], "budget" | "report">) => {
    const listener = await listen({ ...options, budget, report: parts.report });
    listeners.push(Object.assign(listener, { name: options.name }));
  };
  const close = async (deadlineMs: number): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close(deadlineMs)));
  };
  try {
    await open({
      name: "http",
      endpoint: { host: server.httpListenAddress, port: server.httpListenPort },
      tls: server.httpTls && (await loadTls(server.httpTls)),
      fetch: parts.api,
      grpc: server.streamOverHttpEnabled ? parts.grpc : undefined,
      timeouts: {
        readMs: server.httpReadTimeoutMs,
        writeMs: server.httpWriteTimeoutMs,
        idleMs: server.httpIdleTimeoutMs,
        ...(server.httpReadHeaderTimeoutMs > 0 ? { headerMs: server.httpReadHeaderTimeoutMs } : {}),
      },
      maxConnections: server.httpListenConnLimit,
      maxConcurrentStreams: server.grpcMaxConcurrentStreams,
    });
    await open({
      name: "grpc",
      endpoint: { host: server.grpcListenAddress, port: server.grpcListenPort },
      tls: server.grpcTls && (await loadTls(server.grpcTls)),
      grpc: parts.grpc,
      maxConcurrentStreams: server.grpcMaxConcurrentStreams,
    });
    if (otlp.grpc !== undefined) {
      await open({
        name: "otlp/grpc",
        endpoint: parseEndpoint(otlp.grpc.endpoint, otlp.grpc.transport),
        tls: otlp.grpc.tls && (await loadTls(otlp.grpc.tls)),
        grpc: otlpGrpcService(parts.ingest, otlp.grpc, parts.receivers),
        maxConcurrentStreams: otlp.grpc.maxConcurrentStreams,
      });
    }
    if (otlp.http !== undefined) {
      const routes = otlpHttpRoutes(parts.ingest, otlp.http, parts.receivers);
      await open({
        name: "otlp/http",
        endpoint: parseEndpoint(otlp.http.endpoint),
        tls: otlp.http.tls && (await loadTls(otlp.http.tls)),
        fetch: (request, env) => routes.fetch(request, env),
      });
    }
    if (zipkin !== undefined) {
      const routes = zipkinRoutes(parts.ingest, zipkin, parts.receivers);
      await open({
        name: "zipkin",
        endpoint: parseEndpoint(zipkin.endpoint),
        tls: zipkin.tls && (await loadTls(zipkin.tls)),
        fetch: (request, env) => routes.fetch(request, env),
      });
    }
  } catch (e) {
    await close(0);
    throw e;
  }
  return { listeners, close };
}
