import { PintailError } from "../../errors.ts";
import type { FieldRef } from "../../traceql/ast.ts";
import { fieldText } from "../../traceql/field-text.ts";
import { printField, printStatic } from "../../traceql/print.ts";
import { hasValue } from "../field-conditions.ts";
import { quoted } from "./go-numbers.ts";
import { type MsRange, wholeSeconds } from "./whole-seconds.ts";

/** Of Zipkin's server. */
const DEFAULT_LOOKBACK_MS = 86_400_000;
const DEFAULT_LIMIT = 10;
/** Each trace is read by itself. */
const MAX_LIMIT = 1000;

/** `endTs` and `lookback`, in milliseconds. Throws `invalid`. */
export function zipkinRange(params: URLSearchParams, nowMs: number): MsRange {
  const toMs = wholeNumber(params, "endTs") ?? nowMs;
  const lookbackMs = wholeNumber(params, "lookback") ?? DEFAULT_LOOKBACK_MS;
  if (toMs < 1) throw new PintailError("invalid", "endTs is not positive");
  if (lookbackMs < 1) throw new PintailError("invalid", "lookback is not positive");
  return { fromMs: Math.max(0, toMs - lookbackMs), toMs };
}

/** The parameters of `/api/search` that mean the same as those of Zipkin's `/traces`. */
export function searchParamsOf(params: URLSearchParams, nowMs: number): URLSearchParams {
  const { fromMs, toMs } = zipkinRange(params, nowMs);
  const limit = wholeNumber(params, "limit") ?? DEFAULT_LIMIT;
  if (limit < 1 || limit > MAX_LIMIT) {
    throw new PintailError("invalid", `limit is not between 1 and ${MAX_LIMIT}`);
  }
  return new URLSearchParams({
    q: traceQlOf(params),
    ...wholeSeconds({ fromMs, toMs }),
    limit: String(limit),
    spss: "1",
  });
}

/**
 * The TraceQL of a search: each condition on some span of the trace, of the service when one is
 * named, as Zipkin has it. Names and values are quoted, so they cannot be anything else.
 */
export function traceQlOf(params: URLSearchParams): string {
  const service = params.get("serviceName") ?? "";
  const ofService = service === "" ? [] : [`resource.service.name = ${text(service)}`];
  const conditions: string[] = [];
  const spanName = params.get("spanName") ?? "";
  if (spanName !== "" && spanName !== "all") conditions.push(`name = ${text(spanName)}`);
  const remote = params.get("remoteServiceName") ?? "";
  if (remote !== "") conditions.push(`span.peer.service = ${text(remote)}`);
  for (const part of (params.get("annotationQuery") ?? "").split(" and ")) {
    if (part.trim() !== "") conditions.push(annotationCondition(part.trim()));
  }
  const min = wholeNumber(params, "minDuration");
  const max = wholeNumber(params, "maxDuration");
  if (max !== undefined && min === undefined) {
    throw new PintailError("invalid", "maxDuration is only valid with minDuration");
  }
  if (min !== undefined && max !== undefined && max < min) {
    throw new PintailError("invalid", "maxDuration is less than minDuration");
  }
  if (min !== undefined) {
    const atMost = max === undefined ? [] : [`duration <= ${max}us`];
    conditions.push([`duration >= ${min}us`, ...atMost].join(" && "));
  }
  if (conditions.length === 0) return `{ ${ofService.join("")} }`;
  return conditions.map((each) => `{ ${[...ofService, each].join(" && ")} }`).join(" && ");
}

/** `key=value` is a tag; a key alone is a tag with any value, or an annotation. */
function annotationCondition(part: string): string {
  const equals = part.indexOf("=");
  if (equals < 0) {
    const isError = part === "error" ? ["status = error"] : [];
    const any = [`${fieldText(tagField(part))} != nil`, `event:name = ${text(part)}`, ...isError];
    return `(${any.join(" || ")})`;
  }
  const value = part.slice(equals + 1).trim();
  return `(${printField(hasValue(tagField(part.slice(0, equals).trim()), value))})`;
}

function tagField(key: string): FieldRef {
  if (key === "") throw new PintailError("invalid", "annotationQuery holds a tag without a key");
  return { type: "attribute", scope: "any", key };
}

function text(value: string): string {
  return printStatic({ type: "string", value });
}

/** Throws `invalid` for anything but digits; absent and empty are undefined. */
function wholeNumber(params: URLSearchParams, name: string): number | undefined {
  const given = params.get(name);
  if (given === null || given === "") return undefined;
  if (/^\d{1,15}$/.test(given)) return Number(given);
  throw new PintailError(
    "invalid",
    `${name} is not a whole number: ${quoted(given.slice(0, 100))}`,
  );
}
