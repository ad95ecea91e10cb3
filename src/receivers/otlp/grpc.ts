import { BodyEncoding, BodyFormat, type Ingest } from "../../ingest/ingest.ts";
import type { GrpcEncoding, GrpcMethod, GrpcService } from "../../runtime/grpc/service.ts";
import { requestMetrics, routeLabel } from "../../server/request-metrics.ts";
import { TENANT_HEADER, writeTenant } from "../../server/tenant.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { pushOutcome, type ReceiverDeps } from "../shared/push-outcome.ts";
import { SKIP_METRICS_HEADER } from "../shared/skip-metrics.ts";
import { errorStatus, SUCCESS_PROTOBUF } from "./responses.ts";
import type { GrpcReceiverSettings } from "./settings.ts";

export const EXPORT_PATH = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

const ENCODINGS: Readonly<Record<GrpcEncoding, BodyEncoding>> = {
  identity: BodyEncoding.identity,
  gzip: BodyEncoding.gzip,
  zstd: BodyEncoding.zstd,
  snappy: BodyEncoding.snappyFramed,
};

/** The OTLP/gRPC receiver as `listen` takes it. */
export function otlpGrpcService(
  ingest: Ingest,
  settings: GrpcReceiverSettings,
  deps: ReceiverDeps,
): GrpcService {
  const metrics = requestMetrics(deps.metrics, silentLogger, deps.monotonicMs);
  return {
    methods: otlpGrpcMethods(ingest, settings, deps),
    toStatus: errorStatus,
    // Named as a gateway would name it, which is what the mixin's write panels look for.
    observe: (path, code, durationMs) => metrics.grpc(routeLabel(path), code, durationMs),
  };
}

/**
 * `TraceService/Export` over raw messages: neither decompressed nor decoded on this thread. Answers
 * when the spans are durable.
 */
export function otlpGrpcMethods(
  ingest: Ingest,
  settings: GrpcReceiverSettings,
  deps: ReceiverDeps,
): readonly GrpcMethod[] {
  const outcome = pushOutcome({ receiver: "otlp/otlp_receiver", transport: "grpc" }, deps);
  return [
    {
      path: EXPORT_PATH,
      maxMessageBytes: settings.maxRecvMessageBytes,
      async handle(message, call) {
        // No span needs no tenant.
        if (message.byteLength === 0) return SUCCESS_PROTOBUF;
        try {
          const { spanCount } = await ingest.push({
            tenant: writeTenant(call.metadata.getAll(TENANT_HEADER), deps.multitenancyEnabled),
            format: BodyFormat.otlpProtobuf,
            encoding: ENCODINGS[call.encoding],
            body: message,
            maxDecodedBytes: settings.maxRecvMessageBytes,
            skipMetrics: call.metadata.getAll(SKIP_METRICS_HEADER).length > 0,
          });
          outcome.accepted(spanCount);
          return SUCCESS_PROTOBUF;
        } catch (error) {
          outcome.refused(error);
          throw error;
        }
      },
    },
  ];
}
