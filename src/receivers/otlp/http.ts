import { type Context, Hono } from "hono";
import { isPintailError, PintailError } from "../../errors.ts";
import { BodyEncoding, BodyFormat, type Ingest } from "../../ingest/ingest.ts";
import { GrpcCode } from "../../runtime/grpc/status.ts";
import {
  type HonoEnv,
  parseContentEncoding,
  readRequestBody,
  sniffEncoding,
} from "../../server/body.ts";
import { cors } from "../../server/cors.ts";
import { requestMetrics } from "../../server/request-metrics.ts";
import { tenantHeaderValues, writeTenant } from "../../server/tenant.ts";
import { textNotFound } from "../../server/text-error.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { pushOutcome, type ReceiverDeps } from "../shared/push-outcome.ts";
import { SKIP_METRICS_HEADER } from "../shared/skip-metrics.ts";
import {
  errorResponse,
  JSON_TYPE,
  type OtlpMediaType,
  PROTOBUF_TYPE,
  statusResponse,
  successResponse,
} from "./responses.ts";
import type { HttpReceiverSettings } from "./settings.ts";

/**
 * The OTLP/HTTP receiver: POST on `tracesUrlPath`, protobuf or JSON. Bodies are passed on as they
 * came, neither decompressed nor decoded on this thread.
 */
export function otlpHttpRoutes(
  ingest: Ingest,
  settings: HttpReceiverSettings,
  deps: ReceiverDeps,
): Hono<HonoEnv> {
  const outcome = pushOutcome({ receiver: "otlp/otlp_receiver", transport: "http" }, deps);
  const app = new Hono<HonoEnv>();
  // Named as a gateway would name it, which is what the mixin's write panels look for.
  const nameRoute = (path: string) =>
    path === settings.tracesUrlPath ? "otlp_v1_traces" : "other";
  app.use(requestMetrics(deps.metrics, silentLogger, deps.monotonicMs, nameRoute).http);
  if (settings.cors !== undefined && settings.cors.allowedOrigins.length > 0) {
    app.use(cors(settings.cors));
  }

  const push = async (c: Context<HonoEnv>, type: OtlpMediaType): Promise<number> => {
    const encoding = parseContentEncoding(c.req.header("content-encoding"));
    const body = await readRequestBody(c, settings.maxRequestBodyBytes);
    if (body.byteLength === 0 && encoding === BodyEncoding.identity) {
      // No span needs no tenant; but nothing at all is not JSON.
      if (type === PROTOBUF_TYPE) return 0;
      throw new PintailError("malformed", "the body is empty, which is not JSON");
    }
    const result = await ingest.push({
      tenant: writeTenant(tenantHeaderValues(c.req.raw.headers), deps.multitenancyEnabled),
      format: type === JSON_TYPE ? BodyFormat.otlpJson : BodyFormat.otlpProtobuf,
      encoding: sniffEncoding(encoding, body),
      body,
      maxDecodedBytes: settings.maxRequestBodyBytes,
      skipMetrics: c.req.header(SKIP_METRICS_HEADER) !== undefined,
    });
    return result.spanCount;
  };

  app.post(settings.tracesUrlPath, async (c) => {
    const type = mediaType(c.req.header("content-type"));
    if (type === undefined) return wrongType(c);
    try {
      outcome.accepted(await push(c, type));
      return successResponse(type);
    } catch (error) {
      outcome.refused(error);
      return errorResponse(error, type);
    }
  });
  app.all(settings.tracesUrlPath, () =>
    text(405, "405 method not allowed, supported: [POST]", { allow: "POST" }),
  );
  app.notFound(textNotFound);
  app.onError((error, c) => {
    outcome.refused(error);
    return errorResponse(error, mediaType(c.req.header("content-type")) ?? JSON_TYPE);
  });
  return app;
}

function mediaType(header: string | undefined): OtlpMediaType | undefined {
  const type = header?.split(";", 1)[0]?.trim().toLowerCase();
  return type === PROTOBUF_TYPE || type === JSON_TYPE ? type : undefined;
}

/** The Collector looks at the encoding first, and has no Status encoder for a foreign type. */
function wrongType(c: Context<HonoEnv>): Response {
  try {
    parseContentEncoding(c.req.header("content-encoding"));
  } catch (error) {
    if (!isPintailError(error, "invalid")) throw error;
    return c.req.header("content-type") === undefined
      ? errorResponse(error, JSON_TYPE)
      : statusResponse(500, GrpcCode.internal, error.message, JSON_TYPE);
  }
  return text(415, `415 unsupported media type, supported: [${JSON_TYPE}, ${PROTOBUF_TYPE}]`);
}

function text(status: number, body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { "content-type": "text/plain", ...headers } });
}
