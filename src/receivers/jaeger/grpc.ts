import { BodyEncoding, BodyFormat, type Ingest } from "../../ingest/ingest.ts";
import type { GrpcEncoding, GrpcMethod, GrpcService } from "../../runtime/grpc/service.ts";
import { TENANT_HEADER, writeTenant } from "../../server/tenant.ts";
import type { GrpcReceiverSettings } from "../otlp/settings.ts";
import { pushOutcome, type ReceiverDeps } from "../shared/push-outcome.ts";
import { SKIP_METRICS_HEADER } from "../shared/skip-metrics.ts";
import { jaegerLabels } from "./labels.ts";
import { pushErrorStatus } from "./responses.ts";

export const POST_SPANS_PATH = "/jaeger.api_v2.CollectorService/PostSpans";

/** A `PostSpansResponse` has no fields. */
const SUCCESS = new Uint8Array(0);

const ENCODINGS: Readonly<Record<GrpcEncoding, BodyEncoding>> = {
  identity: BodyEncoding.identity,
  gzip: BodyEncoding.gzip,
  zstd: BodyEncoding.zstd,
  snappy: BodyEncoding.snappyFramed,
};

/** Jaeger's collector over gRPC, as `listen` takes it. */
export function jaegerGrpcService(
  ingest: Ingest,
  settings: GrpcReceiverSettings,
  deps: ReceiverDeps,
): GrpcService {
  return { methods: [postSpans(ingest, settings, deps)], toStatus: pushErrorStatus };
}

/**
 * `CollectorService/PostSpans` over raw messages: neither decompressed nor decoded on this thread.
 * Answers when the spans are durable.
 */
function postSpans(ingest: Ingest, settings: GrpcReceiverSettings, deps: ReceiverDeps): GrpcMethod {
  const outcome = pushOutcome(jaegerLabels("grpc"), deps);
  return {
    path: POST_SPANS_PATH,
    maxMessageBytes: settings.maxRecvMessageBytes,
    async handle(message, call) {
      try {
        const tenant = writeTenant(call.metadata.getAll(TENANT_HEADER), deps.multitenancyEnabled);
        // Unlike OTLP's, a request without spans needs a tenant.
        if (message.byteLength === 0) return SUCCESS;
        const { spanCount } = await ingest.push({
          tenant,
          format: BodyFormat.jaegerProtobuf,
          encoding: ENCODINGS[call.encoding],
          body: message,
          maxDecodedBytes: settings.maxRecvMessageBytes,
          skipMetrics: call.metadata.getAll(SKIP_METRICS_HEADER).length > 0,
        });
        outcome.accepted(spanCount);
        return SUCCESS;
      } catch (error) {
        outcome.refused(error);
        throw error;
      }
    },
  };
}
