import type { Attribute, AttributeValue, Resource, Span, Trace } from "../../query/trace.ts";
import { shortTraceId, spanIdToHex } from "../../query/trace-id.ts";

export type ZipkinEndpointJson = {
  readonly serviceName?: string | undefined;
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  readonly port?: number | undefined;
};

/** A span of Zipkin's version 2; what is `undefined` is left out of its JSON. */
export type ZipkinSpanJson = {
  readonly traceId: string;
  readonly id: string;
  readonly parentId: string | undefined;
  readonly kind: string | undefined;
  readonly name: string | undefined;
  /** Microseconds. */
  readonly timestamp: number | undefined;
  readonly duration: number | undefined;
  readonly localEndpoint: ZipkinEndpointJson | undefined;
  readonly remoteEndpoint: ZipkinEndpointJson | undefined;
  readonly annotations: readonly { readonly timestamp: number; readonly value: string }[];
  readonly tags: Readonly<Record<string, string>>;
};

/** By OTLP's number. */
const KINDS = [undefined, undefined, "SERVER", "CLIENT", "PRODUCER", "CONSUMER"] as const;
const INTERNAL = 1;
const OK = 1;
const ERROR = 2;

/**
 * The spans of a trace as Zipkin has them, in their order. What Zipkin has no field for is put into
 * tags, by the names that the Zipkin receiver turns back into what it was.
 */
export function zipkinSpans(trace: Trace): ZipkinSpanJson[] {
  return trace.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const serviceName = serviceNameOf(resource);
    const resourceTags = tagsOf(resource.attributes.filter(({ key }) => key !== "service.name"));
    return scopeSpans.flatMap(({ scope, spans }) => {
      const shared = {
        ...resourceTags,
        ...(scope.name !== "" && { "otel.library.name": scope.name }),
        ...(scope.version !== "" && { "otel.library.version": scope.version }),
      };
      return spans.map((span) => zipkinSpan(span, serviceName, shared));
    });
  });
}

function zipkinSpan(
  span: Span,
  serviceName: string | undefined,
  shared: Readonly<Record<string, string>>,
): ZipkinSpanJson {
  const attributes = new Map(span.attributes.map(({ key, value }) => [key, value]));
  const localEndpoint = endpointOf(attributes, serviceName, "net.host");
  const remoteName = takeString(attributes, "peer.service");
  const remoteEndpoint = endpointOf(attributes, remoteName, "net.peer");
  const left = Array.from(attributes, ([key, value]) => ({ key, value }));
  return {
    traceId: shortTraceId(span.traceId),
    id: spanIdToHex(span.spanId),
    parentId: span.parentSpanId === undefined ? undefined : spanIdToHex(span.parentSpanId),
    kind: KINDS[span.kind],
    name: span.name === "" ? undefined : span.name,
    timestamp: micros(span.startUnixNano) || undefined,
    duration: durationOf(span),
    localEndpoint,
    remoteEndpoint,
    annotations: span.events.map((event) => ({
      timestamp: micros(event.timeUnixNano),
      value: packed([event.name], event.attributes, event.droppedAttributesCount),
    })),
    tags: {
      ...shared,
      ...tagsOf(left),
      ...(span.kind === INTERNAL && { "span.kind": "internal" }),
      ...(span.traceState !== "" && { "w3c.tracestate": span.traceState }),
      ...statusTags(span, attributes),
      ...linkTags(span),
    },
  };
}

function micros(nanos: bigint): number {
  return Number(nanos / 1000n);
}

/** At least 1: less would be unfinished. */
function durationOf({ startUnixNano, endUnixNano }: Span): number | undefined {
  if (endUnixNano <= startUnixNano) return undefined;
  return Math.max(1, micros(endUnixNano - startUnixNano));
}

/** Takes the endpoint's address out of the attributes; undefined when there is nothing of it. */
function endpointOf(
  attributes: Map<string, AttributeValue>,
  serviceName: string | undefined,
  prefix: string,
): ZipkinEndpointJson | undefined {
  const ip = attributes.get(`${prefix}.ip`);
  const port = attributes.get(`${prefix}.port`);
  const hasIp = typeof ip === "string" && /^[0-9a-fA-F.:]+$/.test(ip) && /[.:]/.test(ip);
  const hasPort = typeof port === "bigint" && port > 0n && port <= 65_535n;
  if (hasIp) attributes.delete(`${prefix}.ip`);
  if (hasPort) attributes.delete(`${prefix}.port`);
  if (serviceName === undefined && !hasIp && !hasPort) return undefined;
  return {
    serviceName,
    ipv4: hasIp && !ip.includes(":") ? ip : undefined,
    ipv6: hasIp && ip.includes(":") ? ip : undefined,
    port: hasPort ? Number(port) : undefined,
  };
}

function takeString(attributes: Map<string, AttributeValue>, key: string): string | undefined {
  const value = attributes.get(key);
  if (typeof value !== "string" || value === "") return undefined;
  attributes.delete(key);
  return value;
}

function serviceNameOf(resource: Resource): string | undefined {
  const value = resource.attributes.find(({ key }) => key === "service.name")?.value;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Tag `error` is what Zipkin's UI shows failures by. */
function statusTags(
  { statusCode, statusMessage }: Span,
  attributes: ReadonlyMap<string, AttributeValue>,
): Record<string, string> {
  const message: Record<string, string> =
    statusMessage === "" ? {} : { "otel.status_description": statusMessage };
  if (statusCode === OK) return { ...message, "otel.status_code": "OK" };
  if (statusCode !== ERROR) return message;
  const error: Record<string, string> = attributes.has("error")
    ? {}
    : { error: statusMessage || "true" };
  return { ...message, ...error, "otel.status_code": "ERROR" };
}

function linkTags({ links }: Span): Record<string, string> {
  return Object.fromEntries(
    links.map(({ traceId, spanId, traceState, attributes, droppedAttributesCount }, i) => [
      `otlp.link.${i}`,
      `${traceId}|${spanIdToHex(spanId)}|${traceState}|${jsonOf(attributes)}|${droppedAttributesCount}`,
    ]),
  );
}

/** Without attributes just the text. */
function packed(
  fields: readonly string[],
  attributes: readonly Attribute[],
  dropped: number,
): string {
  if (attributes.length === 0 && dropped === 0) return fields.join("|");
  return [...fields, jsonOf(attributes), String(dropped)].join("|");
}

/** A JSON object; int64 values keep all their digits. */
function jsonOf(attributes: readonly Attribute[]): string {
  const members = attributes.map(({ key, value }) => {
    const isPlain = typeof value === "bigint" || typeof value === "boolean";
    const text = isPlain || isFiniteNumber(value) ? String(value) : JSON.stringify(textOf(value));
    return `${JSON.stringify(key)}:${text}`;
  });
  return `{${members.join(",")}}`;
}

function isFiniteNumber(value: AttributeValue): boolean {
  return typeof value === "number" && Number.isFinite(value);
}

function tagsOf(attributes: readonly Attribute[]): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, textOf(value)]));
}

function textOf(value: AttributeValue): string {
  return typeof value === "object" ? value.json : String(value);
}
