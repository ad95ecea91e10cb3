import { Hono } from "hono";
import { PintailError } from "../../errors.ts";
import { serviceDependencies } from "../../query/dependencies.ts";
import type { TraceByIdResult } from "../../query/trace-by-id.ts";
import { shortTraceId, traceIdToHex } from "../../query/trace-id.ts";
import { jaegerOperationNames, jaegerOperations, jaegerServices } from "../jaeger-operations.ts";
import { type Asker, findJaegerTraces } from "../jaeger-search.ts";
import { jaegerTrace } from "../wire/jaeger-trace.ts";
import { jaegerErrorResponse, jaegerIndent, jaegerList, jaegerTexts } from "./jaeger-answer.ts";
import { dependenciesRange, requiredService, tracesQuestion } from "./jaeger-params.ts";
import { addJaegerV3Routes } from "./jaeger-v3-routes.ts";
import { decodedPathPart } from "./path-part.ts";
import {
  type ApiHandler,
  type ApiRequest,
  apiRoute,
  type QueryRouteParts,
} from "./route-context.ts";
import { parseTraceId } from "./trace-id-param.ts";
import { traceTexts } from "./trace-texts.ts";

/**
 * `JAEGER_PATHS` below `base`: Jaeger's query API in the JSON of its UI, over the questions that Tempo's routes
 * ask. Traces are given as they are stored, so that `raw` changes nothing.
 */
export function jaegerRoutes(parts: QueryRouteParts, base: string): Hono {
  const app = new Hono();
  const add = (path: string, handler: ApiHandler): void => {
    app.all(`${base}${path}`, apiRoute(parts, handler, jaegerErrorResponse));
  };
  add("/services", async (api) => {
    const services = await jaegerServices(asker(parts, api));
    return jaegerList(api, services, services.length);
  });
  add("/services/:service{[\\s\\S]+}/operations", async (api) => {
    const [, service = ""] = /\/services\/(.*)\/operations$/.exec(api.rawPath) ?? [];
    const names = await jaegerOperationNames(asker(parts, api), decodedPathPart(service));
    return jaegerList(api, names, names.length);
  });
  add("/operations", async (api) => {
    const service = requiredService(api.params);
    const kind = api.params.get("spanKind") ?? "";
    const operations = await jaegerOperations(asker(parts, api), service, kind);
    return jaegerList(api, operations, operations.length);
  });
  add("/traces", traces(parts));
  add("/traces/:id", trace(parts));
  add("/dependencies", dependencies(parts));
  addJaegerV3Routes(app, parts, base);
  return app;
}

function asker({ engine }: QueryRouteParts, { tenants, request }: ApiRequest): Asker {
  return { engine, tenants, signal: request.signal };
}

function traces(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const question = tracesQuestion(api.params, parts.engine.context.nowMs());
    const traceIds =
      question.type === "ids"
        ? question.traceIds
        : await findJaegerTraces(asker(parts, api), question.search);
    const texts = await traceTexts(parts, api, traceIds, textOf(api));
    const unknown = traceIds.filter((_, i) => texts[i] === undefined);
    // A search finds only what is there; what has just been deleted is no error.
    const isAsked = question.type === "ids" && unknown.length > 0;
    const errors = unknown.map((id) => ({
      msg: "trace not found",
      traceID: shortTraceId(traceIdToHex(id)),
    }));
    const known = texts.filter((text) => text !== undefined);
    return jaegerTexts(api, known, { total: 0, errors: isAsked ? errors : null });
  };
}

function trace(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const id = parseTraceId(api.rawPath.slice(api.rawPath.lastIndexOf("/") + 1));
    const [text] = await traceTexts(parts, api, [id], textOf(api));
    if (text === undefined) throw new PintailError("not_found", "trace not found");
    return jaegerTexts(api, [text], { total: 0, errors: null });
  };
}

function textOf(api: ApiRequest): (found: TraceByIdResult) => string {
  const indent = jaegerIndent(api);
  return ({ trace: found, exceededBytes }) => {
    const warning =
      exceededBytes === undefined
        ? undefined
        : `trace exceeds max size (max bytes: ${exceededBytes}), this is a part of it`;
    return JSON.stringify(jaegerTrace(found, warning), null, indent);
  };
}

function dependencies({ engine }: QueryRouteParts): ApiHandler {
  return async (api) => {
    const { tenants, request, params } = api;
    const range = dependenciesRange(params, engine.context.nowMs());
    const all = await serviceDependencies(engine, { tenants, range, signal: request.signal });
    const service = params.get("service") ?? "";
    const asked = all.filter(
      ({ parent, child }) => service === "" || parent === service || child === service,
    );
    const links = asked.map(({ parent, child, callCount }) => ({ parent, child, callCount }));
    return jaegerList(api, links, 0);
  };
}
