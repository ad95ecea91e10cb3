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
import { tenantHeaderValues, writeTenant } from "../../server/tenant.ts";
import { textNotFound } from "../../server/text-error.ts";
import { pushOutcome, type ReceiverDeps } from "../shared/push-outcome.ts";
import type { HttpDoorSettings } from "../shared/settings.ts";
import { SKIP_METRICS_HEADER } from "../shared/skip-metrics.ts";
import { scanThriftBatch } from "./count-spans.ts";
import { jaegerLabels } from "./labels.ts";
import { badRequest, pushErrorResponse, textResponse } from "./responses.ts";

const PATH = "/api/traces";
const TYPES: ReadonlySet<string> = new Set([
  "application/x-thrift",
  "application/vnd.apache.thrift.binary",
]);
const MEDIA_TYPE = /^[!#$%&'*+.^_`|~0-9a-z-]+(?:\/[!#$%&'*+.^_`|~0-9a-z-]+)?$/;

/** Larger bodies hold more than a process, so they are not looked into on this thread. */
const MAX_EMPTY_BATCH_BYTES = 64 * 1024;

/**
 * Jaeger's collector over HTTP: POST of a Thrift `Batch` in the binary protocol. Bodies are passed on
 * as they came, neither decompressed nor decoded on this thread.
 */
export function jaegerHttpRoutes(
  ingest: Ingest,
  settings: HttpDoorSettings,
  deps: ReceiverDeps,
): Hono<HonoEnv> {
  const outcome = pushOutcome(jaegerLabels("collector_http"), deps);
  const app = new Hono<HonoEnv>();
  if (settings.cors !== undefined && settings.cors.allowedOrigins.length > 0) {
    app.use(cors(settings.cors));
  }

  const push = async (c: Context<HonoEnv>, encoding: BodyEncoding): Promise<number> => {
    const body = await readRequestBody(c, settings.maxRequestBodyBytes);
    if (body.byteLength === 0) throw new PintailError("malformed", "the body is empty");
    let tenant: string;
    try {
      tenant = writeTenant(tenantHeaderValues(c.req.raw.headers), deps.multitenancyEnabled);
    } catch (error) {
      if (encoding === BodyEncoding.identity && isEmptyBatch(body)) return 0;
      throw error;
    }
    const result = await ingest.push({
      tenant,
      format: BodyFormat.jaegerThrift,
      encoding: sniffEncoding(encoding, body),
      body,
      maxDecodedBytes: settings.maxRequestBodyBytes,
      skipMetrics: c.req.header(SKIP_METRICS_HEADER) !== undefined,
    });
    return result.spanCount;
  };

  app.post(PATH, async (c) => {
    let encoding: BodyEncoding;
    try {
      encoding = parseContentEncoding(c.req.header("content-encoding"));
    } catch (error) {
      if (!isPintailError(error, "invalid")) throw error;
      return badRequest(error.message);
    }
    const wrong = wrongType(c.req.header("content-type"));
    if (wrong !== undefined) return badRequest(wrong);
    try {
      outcome.accepted(await push(c, encoding));
      return new Response(null, { status: 202 });
    } catch (error) {
      outcome.refused(error);
      return pushErrorResponse(error);
    }
  });
  app.all(PATH, () =>
    textResponse(405, "405 method not allowed, supported: [POST]", { allow: "POST" }),
  );
  app.notFound(textNotFound);
  app.onError((error) => {
    outcome.refused(error);
    return pushErrorResponse(error);
  });
  return app;
}

/** What is wrong with a Content-Type; undefined when it is one of Thrift's. */
function wrongType(header: string | undefined): string | undefined {
  const type = (header ?? "").split(";", 1)[0]!.trim().toLowerCase();
  if (TYPES.has(type)) return undefined;
  if (!MEDIA_TYPE.test(type)) return "cannot parse the content type";
  return `unsupported content type: ${type.slice(0, 100)}`;
}

/** No span needs no tenant. */
function isEmptyBatch(body: Uint8Array): boolean {
  if (body.byteLength > MAX_EMPTY_BATCH_BYTES) return false;
  const { spanCount, complete } = scanThriftBatch(body, "batch");
  return complete && spanCount === 0;
}
