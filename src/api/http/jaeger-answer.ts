import { mapError } from "../../server/error-map.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { answer, JSON_TYPE } from "./respond.ts";
import type { ApiRequest } from "./route-context.ts";

export type JaegerError = {
  readonly code?: number;
  readonly msg: string;
  readonly traceID?: string;
};

/** What all answers of Jaeger's API have around their data. */
type Envelope = { readonly total: number; readonly errors: readonly JaegerError[] | null };

const PRETTY_INDENT = 4;

/** Blanks for whoever reads the answer himself: `prettyPrint`, unless it is "false". */
export function jaegerIndent({ params }: ApiRequest): number {
  const pretty = params.get("prettyPrint");
  return pretty === null || pretty === "false" ? 0 : PRETTY_INDENT;
}

/** 200 with a list of what has become JSON text already, by `jaegerIndent`. */
export function jaegerTexts(
  api: ApiRequest,
  data: readonly string[],
  { total, errors }: Envelope,
): Response {
  const rest = JSON.stringify({ total, limit: 0, offset: 0, errors }, null, jaegerIndent(api));
  return answer(api.request, JSON_TYPE, `{"data":[${data.join(",")}],${rest.slice(1)}`);
}

export function jaegerList(api: ApiRequest, data: readonly unknown[], total: number): Response {
  const indent = jaegerIndent(api);
  const texts = data.map((each) => JSON.stringify(each, null, indent));
  return jaegerTexts(api, texts, { total, errors: null });
}

/** Jaeger's answer to an error. */
export function jaegerErrorResponse(error: unknown, log: Logger): Response {
  const { status, message, unexpected } = mapError(error);
  if (unexpected) log.error("request failed", { error });
  const errors: JaegerError[] = [{ code: status.http, msg: message }];
  const body = JSON.stringify({ data: null, total: 0, limit: 0, offset: 0, errors });
  return new Response(body, { status: status.http, headers: { "content-type": JSON_TYPE } });
}
