import { type Context, Hono } from "hono";
import { isPintailError, PintailError } from "../../errors.ts";
import { BodyEncoding, BodyFormat, type Ingest } from "../../ingest/ingest.ts";
import {
  type HonoEnv,
  parseContentEncoding,
  readRequestBody,
  sniffEncoding,
} from "../../server/body.ts";
import { cors } from "../../server/cors.ts";
import { mapError } from "../../server/error-map.ts";
import { tenantHeaderValues, writeTenant } from "../../server/tenant.ts";
import { type PushOutcome, pushOutcome, type ReceiverDeps } from "../shared/push-outcome.ts";
import { SKIP_METRICS_HEADER } from "../shared/skip-metrics.ts";
import type { ZipkinFormat } from "./decode.ts";
import type { ZipkinReceiverSettings } from "./settings.ts";

const PROTOBUF_TYPE = "application/x-protobuf";
const THRIFT_TYPE = "application/x-thrift";
const TEXT_TYPE = "text/plain; charset=utf-8";

/** Whatever failed inside, and whatever a client might do better: Tempo tells it nothing else. */
const INTERNAL_ERROR = '"Internal Server Error"';

type Door = {
  readonly format: ZipkinFormat;
  readonly outcome: PushOutcome;
  /** Whether nothing at all is a list of no spans. */
  readonly mayBeEmpty: boolean;
};

/**
 * The Zipkin receiver: every path and method; `api/v1/spans` in the path makes it version 1. Bodies
 * are passed on as they came, neither decompressed nor decoded on this thread.
 */
export function zipkinRoutes(
  ingest: Ingest,
  settings: ZipkinReceiverSettings,
  deps: ReceiverDeps,
): Hono<HonoEnv> {
  const doors = doorsOf(settings.parseStringTags, deps);
  const app = new Hono<HonoEnv>();
  if (settings.cors !== undefined && settings.cors.allowedOrigins.length > 0) {
    app.use(cors(settings.cors));
  }
  const doorOf = (c: Context<HonoEnv>): Door => {
    const type = c.req.header("content-type")?.split(";", 1)[0]?.trim();
    if (c.req.path.includes("api/v1/spans")) {
      return type === THRIFT_TYPE ? doors.v1Thrift : doors.v1Json;
    }
    return type === PROTOBUF_TYPE ? doors.v2Protobuf : doors.v2Json;
  };

  const push = async (c: Context<HonoEnv>, { format, mayBeEmpty }: Door): Promise<number> => {
    const encoding = encodingOf(c);
    const body = await readRequestBody(c, settings.maxRequestBodyBytes);
    const isEmpty = body.byteLength === 0 && encoding === BodyEncoding.identity;
    if (isEmpty && !mayBeEmpty) throw new PintailError("malformed", "the body is empty");
    const tenant = writeTenant(tenantHeaderValues(c.req.raw.headers), deps.multitenancyEnabled);
    if (isEmpty) return 0;
    const result = await ingest.push({
      tenant,
      format,
      encoding: sniffEncoding(encoding, body),
      body,
      maxDecodedBytes: settings.maxRequestBodyBytes,
      skipMetrics: c.req.header(SKIP_METRICS_HEADER) !== undefined,
    });
    return result.spanCount;
  };

  const answer = (error: unknown, door: Door): Response => {
    door.outcome.refused(error);
    return isBadBody(error) ? text(400, mapError(error).message) : text(500, INTERNAL_ERROR);
  };

  app.all("*", async (c) => {
    const door = doorOf(c);
    try {
      door.outcome.accepted(await push(c, door));
      return new Response(null, { status: 202 });
    } catch (error) {
      return answer(error, door);
    }
  });
  app.onError((error, c) => answer(error, doorOf(c)));
  return app;
}

function doorsOf(
  typed: boolean,
  deps: ReceiverDeps,
): Readonly<Record<"v1Json" | "v1Thrift" | "v2Json" | "v2Protobuf", Door>> {
  const door = (format: ZipkinFormat, transport: string, mayBeEmpty = false): Door => ({
    format,
    outcome: pushOutcome({ receiver: "zipkin/zipkin_receiver", transport }, deps),
    mayBeEmpty,
  });
  const { zipkinV1JsonTyped, zipkinV1Json, zipkinV1Thrift } = BodyFormat;
  const { zipkinV2JsonTyped, zipkinV2Json, zipkinV2ProtobufTyped, zipkinV2Protobuf } = BodyFormat;
  return {
    v1Json: door(typed ? zipkinV1JsonTyped : zipkinV1Json, "http_v1_json"),
    v1Thrift: door(zipkinV1Thrift, "http_v1_thrift"),
    v2Json: door(typed ? zipkinV2JsonTyped : zipkinV2Json, "http_v2_json"),
    v2Protobuf: door(typed ? zipkinV2ProtobufTyped : zipkinV2Protobuf, "http_v2_proto", true),
  };
}

/**
 * Whether the bytes are at fault, by themselves or by their number or encoding. Bad ids and tenants
 * are not: Tempo finds them behind the decoder.
 */
function isBadBody(error: unknown): boolean {
  return isPintailError(error, "malformed") || isPintailError(error, "too_large");
}

/** Throws `malformed` for an encoding that is not known. */
function encodingOf(c: Context<HonoEnv>): BodyEncoding {
  try {
    return parseContentEncoding(c.req.header("content-encoding"));
  } catch (e) {
    if (!isPintailError(e, "invalid")) throw e;
    throw new PintailError("malformed", e.message);
  }
}

function text(status: number, body: string): Response {
  return new Response(body, { status, headers: { "content-type": TEXT_TYPE } });
}
