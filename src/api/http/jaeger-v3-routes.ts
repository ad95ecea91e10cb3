import type { Hono } from "hono";
import { PintailError } from "../../errors.ts";
import { serviceDependencies } from "../../query/dependencies.ts";
import { traceById } from "../../query/trace-by-id.ts";
import { mapError } from "../../server/error-map.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { jaegerOperations, jaegerServices } from "../jaeger-operations.ts";
import { findJaegerTraces } from "../jaeger-search.ts";
import { traceToOtlpJson } from "../wire/otlp-json.ts";
import { v3Instant, v3Param, v3Range, v3Search } from "./jaeger-v3-params.ts";
import { answer, JSON_TYPE } from "./respond.ts";
import {
  type ApiHandler,
  type ApiRequest,
  apiRoute,
  type QueryRouteParts,
} from "./route-context.ts";
import { parseTraceId } from "./trace-id-param.ts";
import { traceTexts } from "./trace-texts.ts";

/** `jaeger.api_v3.QueryService` in the JSON of its HTTP gateway; traces are OTLP's JSON. */
export function addJaegerV3Routes(app: Hono, parts: QueryRouteParts, base: string): void {
  const { engine } = parts;
  const add = (path: string, handler: ApiHandler): void => {
    app.all(`${base}/v3${path}`, apiRoute(parts, handler, gatewayErrorResponse));
  };
  const asker = ({ tenants, request }: ApiRequest) => ({ engine, tenants, signal: request.signal });
  add("/services", async (api) => json(api, { services: await jaegerServices(asker(api)) }));
  add("/operations", async (api) => {
    const service = v3Param(api.params, "service");
    if (service === "")
      throw new PintailError("invalid", "malformed parameter service: it is empty");
    const kind = v3Param(api.params, "span_kind");
    return json(api, { operations: await jaegerOperations(asker(api), service, kind) });
  });
  add("/traces", async (api) => {
    const traceIds = await findJaegerTraces(asker(api), v3Search(api.params));
    const texts = await traceTexts(parts, api, traceIds, ({ trace }) => traceToOtlpJson(trace));
    const groups = texts.filter((text) => text !== undefined).map(groupsOf);
    return answer(api.request, JSON_TYPE, `{"result":${TRACES_START}${groups.join(",")}]}}`);
  });
  add("/traces/:id", async (api) => {
    const traceId = parseTraceId(api.rawPath.slice(api.rawPath.lastIndexOf("/") + 1));
    const startUnixNano = v3Instant(api.params, "start_time");
    const endUnixNano = v3Instant(api.params, "end_time");
    const range = { startUnixNano, endUnixNano };
    const { trace, exceededBytes } = await traceById(engine, { ...asker(api), traceId, ...range });
    if (exceededBytes !== undefined) {
      const message = `trace exceeds max size (max bytes: ${exceededBytes})`;
      throw new PintailError("trace_too_large", message);
    }
    if (trace.resourceSpans.length === 0) throw new PintailError("not_found", "trace not found");
    return answer(api.request, JSON_TYPE, `{"result":${traceToOtlpJson(trace)}}`);
  });
  add("/dependencies", async (api) => {
    const range = v3Range(api.params);
    const found = await serviceDependencies(engine, { ...asker(api), range });
    const dependencies = found.map(({ parent, child, callCount }) => ({
      parent,
      child,
      // As protobuf's JSON has numbers of 64 bits.
      callCount: String(callCount),
    }));
    return json(api, { dependencies });
  });
}

const TRACES_START = '{"resourceSpans":[';

/** What stands in the list of a trace's JSON. */
function groupsOf(tracesData: string): string {
  return tracesData.slice(TRACES_START.length, -"]}".length);
}

function json({ request }: ApiRequest, value: unknown): Response {
  return answer(request, JSON_TYPE, JSON.stringify(value));
}

/** The gateway's answer to an error. */
function gatewayErrorResponse(error: unknown, log: Logger): Response {
  const { status, message, unexpected } = mapError(error);
  if (unexpected) log.error("request failed", { error });
  const body = { error: { grpcCode: status.rpc, httpCode: status.http, message } };
  return new Response(JSON.stringify(body), {
    status: status.http,
    headers: { "content-type": JSON_TYPE },
  });
}
