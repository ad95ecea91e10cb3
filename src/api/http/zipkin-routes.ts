import { Hono } from "hono";
import { PintailError } from "../../errors.ts";
import { serviceDependencies } from "../../query/dependencies.ts";
import { searchTraces } from "../../query/search.ts";
import { type TraceByIdResult, traceById } from "../../query/trace-by-id.ts";
import { traceIdFromHex } from "../../query/trace-id.ts";
import { fieldText } from "../../traceql/field-text.ts";
import { fieldTexts } from "../field-texts.ts";
import { searchRequest } from "../search-request.ts";
import { findTags } from "../tag-questions.ts";
import { type ZipkinSpanJson, zipkinSpans } from "../wire/zipkin-span.ts";
import { answer, JSON_TYPE } from "./respond.ts";
import {
  type ApiHandler,
  type ApiRequest,
  apiRoute,
  type QueryRouteParts,
} from "./route-context.ts";
import { parseTraceId } from "./trace-id-param.ts";
import { traceTexts } from "./trace-texts.ts";
import { wholeSeconds } from "./whole-seconds.ts";
import { searchParamsOf, traceQlOf, zipkinRange } from "./zipkin-params.ts";

/** Ids in one `/traceMany`. */
const MAX_IDS = 1000;
const MS_NANOS = 1_000_000n;

/** What Zipkin's UI asks for at its start; values are those of Zipkin's server. */
const UI_CONFIG = {
  environment: "",
  queryLimit: 10,
  defaultLookback: 900_000,
  searchEnabled: true,
  dependency: { enabled: true, lowErrorRate: 0.5, highErrorRate: 0.75 },
};

/**
 * `ZIPKIN_PATHS` below `base`: Zipkin's query API, version 2, over the questions that Tempo's routes
 * ask, for UIs that know nothing else.
 */
export function zipkinRoutes(parts: QueryRouteParts, base: string): Hono {
  const app = new Hono();
  const add = (path: string, handler: ApiHandler): void => {
    app.all(base + path, apiRoute(parts, handler));
  };
  const valuesOf = (tag: string) => (api: ApiRequest, q: string) => namesOf(parts, api, tag, q);
  const services = valuesOf("resource.service.name");
  add("/config.json", (api) => json(api, UI_CONFIG));
  add("/api/v2/services", async (api) => json(api, await services(api, "")));
  add("/api/v2/spans", ofService(valuesOf("name")));
  add("/api/v2/remoteServices", ofService(valuesOf("span.peer.service")));
  add("/api/v2/traces", traces(parts));
  add("/api/v2/trace/:id", trace(parts));
  add("/api/v2/traceMany", traceMany(parts));
  add("/api/v2/dependencies", dependencies(parts));
  add("/api/v2/autocompleteKeys", autocompleteKeys(parts));
  add("/api/v2/autocompleteValues", autocompleteValues(parts));
  return app;
}

/** Distinct texts of a field, of spans that pass `q`, over the time that Zipkin looks back. */
async function namesOf(
  { engine }: QueryRouteParts,
  { tenants, request }: ApiRequest,
  tag: string,
  q: string,
): Promise<string[]> {
  const range = zipkinRange(new URLSearchParams(), engine.context.nowMs());
  const params = new URLSearchParams({ q, ...wholeSeconds(range) });
  return await fieldTexts({ engine, params, tenants, signal: request.signal }, tag);
}

function ofService(names: (api: ApiRequest, q: string) => Promise<string[]>): ApiHandler {
  return async (api) => {
    const serviceName = required(api, "serviceName");
    return json(api, await names(api, traceQlOf(new URLSearchParams({ serviceName }))));
  };
}

function traces(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const { engine } = parts;
    const { tenants, request } = api;
    const params = searchParamsOf(api.params, engine.context.nowMs());
    const { request: search } = searchRequest(engine.context, params, tenants);
    const found = await searchTraces(engine, { ...search, signal: request.signal });
    return await tracesAnswer(
      parts,
      api,
      found.traces.map(({ traceId }) => traceIdFromHex(traceId)),
    );
  };
}

function trace(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const text = api.rawPath.slice(api.rawPath.lastIndexOf("/") + 1);
    const spans = await spansOf(parts, api, parseTraceId(text));
    if (spans.length === 0) throw new PintailError("not_found", `${text} not found`);
    return json(api, spans);
  };
}

function traceMany(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const texts = required(api, "traceIds").split(",");
    if (texts.length > MAX_IDS) {
      throw new PintailError("invalid", `traceIds names more than ${MAX_IDS} traces`);
    }
    const ids = new Map(texts.map((text) => [text, parseTraceId(text.trim())]));
    return await tracesAnswer(parts, api, [...ids.values()]);
  };
}

async function tracesAnswer(
  parts: QueryRouteParts,
  api: ApiRequest,
  traceIds: readonly Uint8Array[],
): Promise<Response> {
  const textOf = ({ trace }: TraceByIdResult) => JSON.stringify(zipkinSpans(trace));
  const texts = await traceTexts(parts, api, traceIds, textOf);
  const known = texts.filter((text) => text !== undefined);
  return answer(api.request, JSON_TYPE, `[${known.join(",")}]`);
}

async function spansOf(
  { engine }: QueryRouteParts,
  { tenants, request }: ApiRequest,
  traceId: Uint8Array,
): Promise<ZipkinSpanJson[]> {
  const { trace } = await traceById(engine, { tenants, traceId, signal: request.signal });
  return zipkinSpans(trace);
}

function dependencies({ engine }: QueryRouteParts): ApiHandler {
  return async (api) => {
    required(api, "endTs");
    const { fromMs, toMs } = zipkinRange(api.params, engine.context.nowMs());
    const range = {
      startUnixNano: BigInt(fromMs) * MS_NANOS,
      endUnixNano: BigInt(toMs) * MS_NANOS,
    };
    const { tenants, request } = api;
    return json(api, await serviceDependencies(engine, { tenants, range, signal: request.signal }));
  };
}

/** All keys of spans and resources, where Zipkin has a list in its settings. */
function autocompleteKeys({ engine }: QueryRouteParts): ApiHandler {
  return async (api) => {
    const { tenants, request } = api;
    const range = wholeSeconds(zipkinRange(new URLSearchParams(), engine.context.nowMs()));
    const keys = new Set<string>();
    for (const scope of ["span", "resource"]) {
      const params = new URLSearchParams({ scope, ...range });
      const question = { engine, params, tenants, signal: request.signal };
      for (const key of (await findTags(question)).tagNames) keys.add(key);
    }
    keys.delete("service.name");
    return json(api, [...keys].sort());
  };
}

function autocompleteValues(parts: QueryRouteParts): ApiHandler {
  return async (api) => {
    const key = required(api, "key");
    const tag = fieldText({ type: "attribute", scope: "any", key });
    return json(api, await namesOf(parts, api, tag, ""));
  };
}

function required({ params }: ApiRequest, name: string): string {
  const value = params.get(name) ?? "";
  if (value === "") throw new PintailError("invalid", `parameter ${name} is missing`);
  return value;
}

function json({ request }: ApiRequest, value: unknown): Response {
  return answer(request, JSON_TYPE, JSON.stringify(value));
}
