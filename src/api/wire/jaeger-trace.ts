import type { Attribute, InstrumentationScope, Resource, Span, Trace } from "../../query/trace.ts";
import { shortTraceId, spanIdToHex } from "../../query/trace-id.ts";
import { type JaegerTagJson, jaegerTags, textTag } from "./jaeger-tag.ts";

type ReferenceJson = {
  readonly refType: "CHILD_OF" | "FOLLOWS_FROM";
  readonly traceID: string;
  readonly spanID: string;
};

/** Times and durations are in microseconds. */
export type JaegerSpanJson = {
  readonly traceID: string;
  readonly spanID: string;
  readonly flags: number | undefined;
  readonly operationName: string;
  readonly references: readonly ReferenceJson[];
  readonly startTime: number;
  readonly duration: number;
  readonly tags: readonly JaegerTagJson[];
  readonly logs: readonly {
    readonly timestamp: number;
    readonly fields: readonly JaegerTagJson[];
  }[];
  readonly processID: string;
  readonly warnings: null;
};

export type JaegerTraceJson = {
  readonly traceID: string;
  readonly spans: readonly JaegerSpanJson[];
  readonly processes: Readonly<Record<string, JaegerProcessJson>>;
  readonly warnings: readonly string[] | null;
};

export type JaegerProcessJson = {
  readonly serviceName: string;
  readonly tags: readonly JaegerTagJson[];
};

/** By OTLP's number; the first has no tag. */
export const JAEGER_KINDS = ["", "internal", "server", "client", "producer", "consumer"] as const;
const OK = 1;
const ERROR = 2;
const SAMPLED = 1;
const REF_TYPE = "opentracing.ref_type";
/** What collectors send where there is no service name; read back as none. */
const NO_SERVICE_NAME = "OTLPResourceNoServiceName";

/**
 * A trace that holds spans, as Jaeger's UI has it. What Jaeger has no field for is put into tags, by
 * the names that the Jaeger receiver turns back into what it was. `warning` is shown with the trace.
 */
export function jaegerTrace(trace: Trace, warning: string | undefined): JaegerTraceJson {
  const processes: Record<string, JaegerProcessJson> = {};
  const spans: JaegerSpanJson[] = [];
  for (const [i, { resource, scopeSpans }] of trace.resourceSpans.entries()) {
    const processID = `p${i + 1}`;
    processes[processID] = jaegerProcess(resource);
    for (const { scope, spans: ofScope } of scopeSpans) {
      const scopeTags = tagsOfScope(scope);
      for (const span of ofScope) spans.push(jaegerSpan(span, processID, scopeTags));
    }
  }
  return {
    traceID: spans[0]?.traceID ?? "",
    spans,
    processes,
    warnings: warning === undefined ? null : [warning],
  };
}

function jaegerProcess({ attributes }: Resource): JaegerProcessJson {
  const name = attributes.find(({ key }) => key === "service.name")?.value;
  return {
    serviceName: typeof name === "string" && name !== "" ? name : NO_SERVICE_NAME,
    tags: jaegerTags(attributes.filter(({ key }) => key !== "service.name")),
  };
}

function tagsOfScope({ name, version }: InstrumentationScope): JaegerTagJson[] {
  // The version is read only where there is a name.
  if (name === "") return [];
  const ofVersion = version === "" ? [] : [textTag("otel.scope.version", version)];
  return [textTag("otel.scope.name", name), ...ofVersion];
}

function jaegerSpan(
  span: Span,
  processID: string,
  scopeTags: readonly JaegerTagJson[],
): JaegerSpanJson {
  return {
    traceID: shortTraceId(span.traceId),
    spanID: spanIdToHex(span.spanId),
    flags: (span.flags & SAMPLED) === SAMPLED ? SAMPLED : undefined,
    operationName: span.name,
    references: referencesOf(span),
    startTime: micros(span.startUnixNano),
    duration: Math.max(0, micros(span.endUnixNano - span.startUnixNano)),
    tags: [...jaegerTags(span.attributes), ...tagsOfFields(span), ...scopeTags],
    logs: span.events.map(({ timeUnixNano, name, attributes }) => ({
      timestamp: micros(timeUnixNano),
      fields: [...(name === "" ? [] : [textTag("event", name)]), ...jaegerTags(attributes)],
    })),
    processID,
    warnings: null,
  };
}

/** The parent is the first; a link says itself how it refers. */
function referencesOf({ traceId, parentSpanId, links }: Span): ReferenceJson[] {
  const references: ReferenceJson[] = links.map((link) => ({
    refType: isChildOf(link.attributes) ? "CHILD_OF" : "FOLLOWS_FROM",
    traceID: shortTraceId(link.traceId),
    spanID: spanIdToHex(link.spanId),
  }));
  if (parentSpanId === undefined) return references;
  const traceID = shortTraceId(traceId);
  return [{ refType: "CHILD_OF", traceID, spanID: spanIdToHex(parentSpanId) }, ...references];
}

function isChildOf(attributes: readonly Attribute[]): boolean {
  return attributes.some(({ key, value }) => key === REF_TYPE && value === "child_of");
}

/** Tags that Jaeger's UI knows and that stand in fields here; an attribute of that name is kept. */
function tagsOfFields(span: Span): JaegerTagJson[] {
  const tags: JaegerTagJson[] = [];
  const kind = JAEGER_KINDS[span.kind] ?? "";
  if (kind !== "") tags.push(textTag("span.kind", kind));
  if (span.statusCode === OK) tags.push(textTag("otel.status_code", "OK"));
  if (span.statusCode === ERROR) {
    tags.push(textTag("otel.status_code", "ERROR"));
    const isKnown = span.attributes.some(({ key, value }) => key === "error" && value === true);
    if (!isKnown) tags.push({ key: "error", type: "bool", value: true });
  }
  if (span.statusMessage !== "") {
    tags.push(textTag("otel.status_description", span.statusMessage));
  }
  if (span.traceState !== "") tags.push(textTag("w3c.tracestate", span.traceState));
  return tags;
}

function micros(nanos: bigint): number {
  return Number(nanos / 1000n);
}
