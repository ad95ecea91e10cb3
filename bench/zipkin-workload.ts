import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ExportTraceServiceRequestSchema } from "../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import type { KeyValue } from "../gen/opentelemetry/proto/common/v1/common_pb.ts";
import type { Span } from "../gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import { ListOfSpansSchema, Span_Kind } from "../gen/zipkin/proto3/zipkin_pb.ts";

/** Zipkin's kinds by OTLP's. */
const KINDS = [undefined, undefined, "SERVER", "CLIENT", "PRODUCER", "CONSUMER"] as const;

/** A request of `makeRequests` as a v2 list in JSON, as the OpenTelemetry SDKs' exporters write it. */
export function zipkinJson(otlp: Uint8Array): Uint8Array<ArrayBuffer> {
  const spans = spansOf(otlp).map(({ span, service }) => ({
    traceId: hex(span.traceId),
    ...(span.parentSpanId.length > 0 && { parentId: hex(span.parentSpanId) }),
    name: span.name,
    id: hex(span.spanId),
    kind: KINDS[span.kind],
    timestamp: Number(span.startTimeUnixNano / 1000n),
    duration: durationOf(span),
    localEndpoint: { serviceName: service, ipv4: "10.0.0.1" },
    tags: tagsOf(span),
    annotations: span.events.map((event) => ({
      timestamp: Number(event.timeUnixNano / 1000n),
      value: event.name,
    })),
  }));
  return new TextEncoder().encode(JSON.stringify(spans));
}

/** The same as `zipkin.proto3.ListOfSpans`. */
export function zipkinProtobuf(otlp: Uint8Array): Uint8Array<ArrayBuffer> {
  const spans = spansOf(otlp).map(({ span, service }) => ({
    traceId: span.traceId,
    parentId: span.parentSpanId,
    id: span.spanId,
    kind: Span_Kind[KINDS[span.kind] ?? "SPAN_KIND_UNSPECIFIED"],
    name: span.name,
    timestamp: span.startTimeUnixNano / 1000n,
    duration: BigInt(durationOf(span)),
    localEndpoint: { serviceName: service, ipv4: Uint8Array.of(10, 0, 0, 1) },
    tags: tagsOf(span),
    annotations: span.events.map((event) => ({
      timestamp: event.timeUnixNano / 1000n,
      value: event.name,
    })),
  }));
  return toBinary(ListOfSpansSchema, create(ListOfSpansSchema, { spans }));
}

function spansOf(otlp: Uint8Array): { span: Span; service: string }[] {
  return fromBinary(ExportTraceServiceRequestSchema, otlp).resourceSpans.flatMap((group) => {
    const service = group.resource?.attributes.find(({ key }) => key === "service.name");
    return group.scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({ span, service: service === undefined ? "" : textOf(service) })),
    );
  });
}

function durationOf(span: Span): number {
  return Number((span.endTimeUnixNano - span.startTimeUnixNano) / 1000n);
}

function tagsOf(span: Span): Record<string, string> {
  const tags = Object.fromEntries(span.attributes.map((kv) => [kv.key, textOf(kv)]));
  return span.status?.code === 2 ? { ...tags, "otel.status_code": "ERROR" } : tags;
}

function textOf({ value }: KeyValue): string {
  return String(value?.value.value ?? "");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
