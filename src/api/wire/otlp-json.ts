import type { AttributeValue, Trace } from "../../query/trace.ts";
import { anyValueToJson } from "./any-value.ts";
import { resourceSpansInForm, type TraceJsonForm } from "./trace-json.ts";

const FORM: TraceJsonForm = {
  traceId: (hex) => hex,
  spanId: (id) => id.toString(16).padStart(16, "0"),
  kind: (kind) => kind,
  statusCode: (code) => code,
  resourceAttributes: ({ attributes }) => attributes,
  anyValue: (value: AttributeValue) => withNegativeZero(anyValueToJson(value)),
};

/**
 * A trace as TracesData in OTLP/JSON, as the OpenTelemetry specification has it and the Collector
 * reads and writes it: ids in hex, enums as numbers. All that is stored is in it, and nothing else.
 */
export function traceToOtlpJson(trace: Trace): string {
  return JSON.stringify({ resourceSpans: resourceSpansInForm(trace, FORM) });
}

/** JSON's writer has no -0; a double may be text, too. */
function withNegativeZero(value: unknown): unknown {
  if (Object.is(value, -0)) return "-0";
  if (Array.isArray(value)) return value.map(withNegativeZero);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, withNegativeZero(each)]),
  );
}
