import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type ExportTraceServiceRequest,
  ExportTraceServiceRequestSchema,
} from "../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import type {
  AnyValueSchema,
  KeyValueSchema,
} from "../../gen/opentelemetry/proto/common/v1/common_pb.ts";
import type { SpanSchema } from "../../gen/opentelemetry/proto/trace/v1/trace_pb.ts";

export type SpanInit = MessageInitShape<typeof SpanSchema>;
export type KeyValueInit = MessageInitShape<typeof KeyValueSchema>;
export type AnyValueInit = MessageInitShape<typeof AnyValueSchema>;

export type SimpleValue = string | bigint | number | boolean;

/** A string, bool, int (bigint) or double (number) attribute. */
export function attribute(key: string, value: SimpleValue): KeyValueInit {
  return { key, value: anyValue(value) };
}

export function attributes(values: Record<string, SimpleValue>): KeyValueInit[] {
  return Object.entries(values).map(([key, value]) => attribute(key, value));
}

export function anyValue(value: SimpleValue): AnyValueInit {
  switch (typeof value) {
    case "string":
      return { value: { case: "stringValue", value } };
    case "boolean":
      return { value: { case: "boolValue", value } };
    case "bigint":
      return { value: { case: "intValue", value } };
    case "number":
      return { value: { case: "doubleValue", value } };
  }
}

/** `bytes` from hex text. */
export function hex(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** A span with valid ids, to be changed by `init`. */
export function aSpan(init: SpanInit = {}): SpanInit {
  return {
    traceId: hex("0af7651916cd43dd8448eb211c80319c"),
    spanId: hex("b7ad6b7169203331"),
    name: "GET /",
    startTimeUnixNano: 1_700_000_000_000_000_000n,
    endTimeUnixNano: 1_700_000_000_005_000_000n,
    ...init,
  };
}

/** A request of one resource and one scope with these spans. */
export function aRequest(
  spans: SpanInit[],
  options: { service?: string; scope?: string } = {},
): ExportTraceServiceRequest {
  return create(ExportTraceServiceRequestSchema, {
    resourceSpans: [
      {
        resource: { attributes: [attribute("service.name", options.service ?? "shop")] },
        scopeSpans: [{ scope: { name: options.scope ?? "test" }, spans }],
      },
    ],
  });
}

export function encodeRequest(
  init: MessageInitShape<typeof ExportTraceServiceRequestSchema>,
): Uint8Array<ArrayBuffer> {
  return toBinary(
    ExportTraceServiceRequestSchema,
    create(ExportTraceServiceRequestSchema, init),
  ) as Uint8Array<ArrayBuffer>;
}
