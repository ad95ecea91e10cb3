import { PintailError } from "../../errors.ts";
import { type TraceByIdResult, traceById } from "../../query/trace-by-id.ts";
import { decimalUnlessZero, jsonText } from "../wire/json-text.ts";
import { resourceSpansToJson } from "../wire/trace-json.ts";
import { traceToLlm } from "../wire/trace-llm.ts";
import { traceByIdResponseToProtobuf, traceToProtobuf } from "../wire/trace-protobuf.ts";
import { parseInt64, quoted } from "./go-numbers.ts";
import { answer, answerFormat, JSON_TYPE, LLM_JSON, PROTOBUF } from "./respond.ts";
import type { ApiHandler, ApiRequest, QueryRouteParts } from "./route-context.ts";
import { startNotBeforeEnd } from "./time-params.ts";
import { parseTraceId } from "./trace-id-param.ts";

/** `/api/traces/{id}`: the trace as it is, 404 when unknown, 422 when too large. */
export function traceV1(parts: QueryRouteParts, idOf: (request: ApiRequest) => string): ApiHandler {
  return async (api) => {
    const { trace, exceededBytes } = await findTrace(parts, api, idOf(api));
    if (exceededBytes !== undefined) {
      throw new PintailError(
        "trace_too_large",
        `trace exceeds max size (max bytes: ${exceededBytes})`,
      );
    }
    if (trace.resourceSpans.length === 0) return new Response(null, { status: 404 });
    const format = answerFormat(api.request.headers.get("accept"));
    if (format === "protobuf") return answer(api.request, PROTOBUF, traceToProtobuf(trace));
    const body = jsonText({ batches: resourceSpansToJson(trace) });
    return answer(api.request, format === "llm" ? "application/vnd.grafana.llm" : JSON_TYPE, body);
  };
}

/** `/api/v2/traces/{id}`: always 200; an unknown trace is an empty one, a too large one partial. */
export function traceV2(parts: QueryRouteParts, idOf: (request: ApiRequest) => string): ApiHandler {
  return async (api) => {
    const result = await findTrace(parts, api, idOf(api));
    const { trace, exceededBytes, inspectedBytes } = result;
    const partialMessage =
      exceededBytes === undefined
        ? undefined
        : `Trace exceeds maximum size of ${exceededBytes} bytes, a partial trace is returned`;
    switch (answerFormat(api.request.headers.get("accept"))) {
      case "protobuf": {
        const body = traceByIdResponseToProtobuf({ trace, inspectedBytes, partialMessage });
        return answer(api.request, PROTOBUF, body);
      }
      case "llm":
        return answer(api.request, LLM_JSON, jsonText(traceToLlm(trace, inspectedBytes)));
      default: {
        const empty = trace.resourceSpans.length === 0;
        const body = jsonText({
          trace: empty ? {} : { resourceSpans: resourceSpansToJson(trace) },
          metrics: { inspectedBytes: decimalUnlessZero(inspectedBytes) },
          status: partialMessage === undefined ? undefined : "PARTIAL",
          message: partialMessage,
        });
        return answer(api.request, JSON_TYPE, body);
      }
    }
  };
}

const SECOND_NANOS = 1_000_000_000n;
const MODES = ["", "all", "ingesters", "blocks", "external"];

async function findTrace(
  { engine }: QueryRouteParts,
  { params, tenants, request }: ApiRequest,
  idText: string,
): Promise<TraceByIdResult> {
  const traceId = parseTraceId(idText);
  const mode = params.get("mode") ?? "";
  if (!MODES.includes(mode))
    throw new PintailError("invalid", `invalid value for mode ${mode.slice(0, 200)}`);
  // Segments are not addressed by id ranges here; the parameters are only checked.
  checkUuid(params, "blockStart");
  checkUuid(params, "blockEnd");
  const start = secondsOf(params, "start");
  const end = secondsOf(params, "end");
  const both = start !== 0n && end !== 0n;
  if (both && end <= start) throw startNotBeforeEnd(start, end);
  return await traceById(engine, {
    tenants,
    traceId,
    startUnixNano: both ? start * SECOND_NANOS : undefined,
    endUnixNano: both ? end * SECOND_NANOS : undefined,
    signal: request.signal,
  });
}

function secondsOf(params: URLSearchParams, name: string): bigint {
  const text = params.get(name);
  return text === null || text === "" ? 0n : parseInt64(name, text);
}

function checkUuid(params: URLSearchParams, name: "blockStart" | "blockEnd"): void {
  const text = params.get(name);
  if (text === null || text === "") return;
  const digits = text.replaceAll("-", "");
  if (digits.length !== 32) {
    const reason = `invalid UUID length: ${text.length}`;
    throw new PintailError("invalid", `invalid value for ${name.toLowerCase()}: ${reason}`);
  }
  if (!/^[0-9a-f]{32}$/i.test(digits)) {
    const reason = `invalid UUID format: ${quoted(text)}`;
    throw new PintailError("invalid", `invalid value for ${name.toLowerCase()}: ${reason}`);
  }
}
