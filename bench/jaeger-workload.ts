import { fromBinary } from "@bufbuild/protobuf";
import { ExportTraceServiceRequestSchema } from "../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import type { KeyValue } from "../gen/opentelemetry/proto/common/v1/common_pb.ts";
import type { Span } from "../gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import {
  encodePostSpans,
  type JaegerProcess,
  type JaegerReference,
  type JaegerSpan,
  type JaegerTag,
  type JaegerValue,
  protobufSpan,
  thriftBatch,
  thriftProcess,
  thriftSpan,
} from "../test/support/jaeger-builder.ts";
import { encodeStruct } from "../test/support/thrift-encoder.ts";

const KINDS = [undefined, "internal", "server", "client", "producer", "consumer"] as const;

/** A request of `makeRequests` as `PostSpansRequest`s, one for each service, as its process sends it. */
export function jaegerProtobuf(otlp: Uint8Array): Uint8Array[] {
  return batchesOf(otlp).map(({ spans, process }) =>
    encodePostSpans(spans.map(protobufSpan), process),
  );
}

/** The same as Thrift `Batch`es in the binary protocol. */
export function jaegerThrift(otlp: Uint8Array): Uint8Array[] {
  return batchesOf(otlp).map(({ spans, process }) =>
    encodeStruct(thriftBatch(spans.map(thriftSpan), thriftProcess(process)), "binary"),
  );
}

function batchesOf(otlp: Uint8Array): { spans: JaegerSpan[]; process: JaegerProcess }[] {
  return fromBinary(ExportTraceServiceRequestSchema, otlp).resourceSpans.map((group) => {
    const attributes = group.resource?.attributes ?? [];
    const service = attributes.find(({ key }) => key === "service.name");
    return {
      spans: group.scopeSpans.flatMap(({ scope, spans }) =>
        spans.map((span) => jaegerSpan(span, scope?.name ?? "")),
      ),
      process: {
        service: String(service?.value?.value.value),
        tags: attributes.filter((kv) => kv !== service).map(tagOf),
      },
    };
  });
}

function jaegerSpan(span: Span, scope: string): JaegerSpan {
  const tags = span.attributes.map(tagOf);
  const kind = KINDS[span.kind];
  if (kind !== undefined) tags.push(["span.kind", kind]);
  if (span.status?.code === 2) {
    tags.push(["error", true], ["otel.status_description", span.status.message]);
  }
  tags.push(["otel.scope.name", scope]);
  const traceId = hex(span.traceId);
  const references: JaegerReference[] = span.links.map((link) => ({
    type: "followsFrom",
    traceId: hex(link.traceId),
    spanId: hex(link.spanId),
  }));
  const parentSpanId = hex(span.parentSpanId);
  if (parentSpanId !== "") references.unshift({ type: "childOf", traceId, spanId: parentSpanId });
  return {
    traceId,
    spanId: hex(span.spanId),
    ...(parentSpanId === "" ? {} : { parentSpanId }),
    name: span.name,
    flags: 1,
    startMicros: span.startTimeUnixNano / 1000n,
    durationMicros: (span.endTimeUnixNano - span.startTimeUnixNano) / 1000n,
    tags,
    references,
    logs: span.events.map((event) => ({
      micros: event.timeUnixNano / 1000n,
      fields: [["event", event.name], ...event.attributes.map(tagOf)],
    })),
  };
}

function tagOf({ key, value }: KeyValue): JaegerTag {
  return [key, value?.value.value as JaegerValue];
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
