import type { Ingest } from "../ingest/ingest.ts";
import { jaegerAgent } from "../receivers/jaeger/agent.ts";
import { jaegerGrpcService } from "../receivers/jaeger/grpc.ts";
import { jaegerHttpRoutes } from "../receivers/jaeger/http.ts";
import type { JaegerReceiverSettings, UdpReceiverSettings } from "../receivers/jaeger/settings.ts";
import type { KafkaReceiver } from "../receivers/kafka/receiver.ts";
import type { KafkaReceiverSettings } from "../receivers/kafka/settings.ts";
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
import { listenUdp } from "../runtime/udp.ts";
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
  readonly jaeger: JaegerReceiverSettings;
  readonly zipkin: ZipkinReceiverSettings | undefined;
  readonly kafka: readonly KafkaReceiverSettings[];
};

/** Bodies and messages that are still arriving, over all doors. */
const ARRIVING_BYTES = 128 * 1024 * 1024;

/** Opens all ports, or none: when one fails the others are closed again and the error is thrown. */
export async function openDoors(parts: DoorParts, settings: DoorSettings): Promise<Doors> {
  const { server, otlp, jaeger, zipkin, kafka } = settings;
  const budget = new ByteBudget(ARRIVING_BYTES);
  const listeners: (Listener & { readonly name: string })[] = [];
  const consumers: KafkaReceiver[] = [];
  const open = async (options: Omit<Parameters<typeof listen>[0], "budget" | "report">) => {
    const listener = await listen({ ...options, budget, report: parts.report });
    listeners.push(Object.assign(listener, { name: options.name }));
  };
  const openAgent = async (protocol: "compact" | "binary", udp: UdpReceiverSettings) => {
    const name = `jaeger/thrift_${protocol}`;
    const listener = await listenUdp({
      name,
      endpoint: parseEndpoint(udp.endpoint),
      maxPacketBytes: udp.maxPacketBytes,
      maxPending: udp.queueSize,
      receiveBufferBytes: udp.socketBufferBytes,
      report: parts.report,
      ...jaegerAgent(parts.ingest, protocol, udp, parts.receivers),
    });
    listeners.push(Object.assign(listener, { name }));
  };
  const close = async (deadlineMs: number): Promise<void> => {
    await Promise.all([...listeners, ...consumers].map((door) => door.close(deadlineMs)));
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
    if (jaeger.grpc !== undefined) {
      await open({
        name: "jaeger/grpc",
        endpoint: parseEndpoint(jaeger.grpc.endpoint, jaeger.grpc.transport),
        tls: jaeger.grpc.tls && (await loadTls(jaeger.grpc.tls)),
        grpc: jaegerGrpcService(parts.ingest, jaeger.grpc, parts.receivers),
        maxConcurrentStreams: jaeger.grpc.maxConcurrentStreams,
      });
    }
    if (jaeger.thriftHttp !== undefined) {
      const routes = jaegerHttpRoutes(parts.ingest, jaeger.thriftHttp, parts.receivers);
      await open({
        name: "jaeger/thrift_http",
        endpoint: parseEndpoint(jaeger.thriftHttp.endpoint),
        tls: jaeger.thriftHttp.tls && (await loadTls(jaeger.thriftHttp.tls)),
        fetch: (request, env) => routes.fetch(request, env),
      });
    }
    if (jaeger.thriftCompact !== undefined) await openAgent("compact", jaeger.thriftCompact);
    if (jaeger.thriftBinary !== undefined) await openAgent("binary", jaeger.thriftBinary);
    for (const receiver of kafka) {
      const { openKafka } = await import("./kafka.ts");
      consumers.push(await openKafka(parts.ingest, receiver, parts.receivers));
    }
  } catch (e) {
    await close(0);
    throw e;
  }
  return { listeners, close };
}
