import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { PostSpansRequestSchema } from "../../gen/jaeger/api_v2/collector_pb.ts";
import {
  type KeyValueSchema,
  type ProcessSchema,
  SpanRefType,
  type SpanSchema,
  ValueType,
} from "../../gen/jaeger/api_v2/model_pb.ts";
import type { ThriftField, ThriftStruct } from "./thrift-encoder.ts";

/** `bigint` = int64, `number` = double, `type` = a number that Jaeger has no type for. */
export type JaegerValue =
  | string
  | boolean
  | bigint
  | number
  | Uint8Array
  | { readonly type: number };
export type JaegerTag = readonly [key: string, value: JaegerValue];

export type JaegerReference = {
  /** 32 digits. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
  readonly type: "childOf" | "followsFrom";
};

/** A span that both wire formats can carry. Times are in microseconds. */
export type JaegerSpan = {
  readonly traceId: string;
  readonly spanId: string;
  /** Thrift only. */
  readonly parentSpanId?: string;
  readonly name: string;
  readonly flags: number;
  readonly startMicros: bigint;
  readonly durationMicros: bigint;
  readonly tags: readonly JaegerTag[];
  readonly references: readonly JaegerReference[];
  readonly logs: readonly { readonly micros: bigint; readonly fields: readonly JaegerTag[] }[];
};

export type JaegerProcess = { readonly service: string; readonly tags: readonly JaegerTag[] };

export const TRACE_ID = "0102030405060708090a0b0c0d0e0f10";
export const SPAN_ID = "1112131415161718";

export function aJaegerSpan(span: Partial<JaegerSpan> = {}): JaegerSpan {
  return {
    traceId: TRACE_ID,
    spanId: SPAN_ID,
    name: "op",
    flags: 1,
    startMicros: 1_700_000_000_123_456n,
    durationMicros: 789n,
    tags: [],
    references: [],
    logs: [],
    ...span,
  };
}

type KeyValueInit = MessageInitShape<typeof KeyValueSchema>;
export type JaegerSpanInit = MessageInitShape<typeof SpanSchema>;

export function protobufTag([key, value]: JaegerTag): KeyValueInit {
  if (value instanceof Uint8Array) return { key, vType: ValueType.BINARY, vBinary: value };
  switch (typeof value) {
    case "string":
      return { key, vType: ValueType.STRING, vStr: value };
    case "boolean":
      return { key, vType: ValueType.BOOL, vBool: value };
    case "bigint":
      return { key, vType: ValueType.INT64, vInt64: value };
    case "number":
      return { key, vType: ValueType.FLOAT64, vFloat64: value };
    default:
      return { key, vType: value.type as ValueType };
  }
}

export function protobufSpan(span: JaegerSpan): JaegerSpanInit {
  return {
    traceId: bytes(span.traceId),
    spanId: bytes(span.spanId),
    operationName: span.name,
    flags: span.flags,
    startTime: time(span.startMicros),
    duration: time(span.durationMicros),
    tags: span.tags.map(protobufTag),
    references: span.references.map(({ traceId, spanId, type }) => ({
      traceId: bytes(traceId),
      spanId: bytes(spanId),
      refType: type === "childOf" ? SpanRefType.CHILD_OF : SpanRefType.FOLLOWS_FROM,
    })),
    logs: span.logs.map(({ micros, fields }) => ({
      timestamp: time(micros),
      fields: fields.map(protobufTag),
    })),
  };
}

export function protobufProcess({
  service,
  tags,
}: JaegerProcess): MessageInitShape<typeof ProcessSchema> {
  return { serviceName: service, tags: tags.map(protobufTag) };
}

/** The bytes of a `PostSpansRequest`. */
export function encodePostSpans(
  spans: readonly JaegerSpanInit[],
  process?: JaegerProcess,
): Uint8Array<ArrayBuffer> {
  const batch = {
    spans: [...spans],
    ...(process === undefined ? {} : { process: protobufProcess(process) }),
  };
  return toBinary(PostSpansRequestSchema, create(PostSpansRequestSchema, { batch }));
}

export function thriftTag([key, value]: JaegerTag): ThriftStruct {
  const tag = (vType: number, ...fields: ThriftField[]): ThriftStruct => [
    [1, "string", key],
    [2, "i32", vType],
    ...fields,
  ];
  if (value instanceof Uint8Array) return tag(4, [7, "binary", value]);
  switch (typeof value) {
    case "string":
      return tag(0, [3, "string", value]);
    case "number":
      return tag(1, [4, "double", value]);
    case "boolean":
      return tag(2, [5, "bool", value]);
    case "bigint":
      return tag(3, [6, "i64", value]);
    default:
      return tag(value.type);
  }
}

/** Fields in the order of their ids; optional lists only when they hold something. */
export function thriftSpan(span: JaegerSpan): ThriftStruct {
  const fields: ThriftField[] = [
    [1, "i64", low(span.traceId)],
    [2, "i64", high(span.traceId)],
    [3, "i64", low(span.spanId)],
    [4, "i64", low(span.parentSpanId ?? "0")],
    [5, "string", span.name],
  ];
  if (span.references.length > 0) fields.push([6, "structs", span.references.map(thriftReference)]);
  fields.push(
    [7, "i32", span.flags],
    [8, "i64", span.startMicros],
    [9, "i64", span.durationMicros],
  );
  if (span.tags.length > 0) fields.push([10, "structs", span.tags.map(thriftTag)]);
  if (span.logs.length > 0) {
    const logs = span.logs.map(
      ({ micros, fields: logFields }): ThriftStruct => [
        [1, "i64", micros],
        [2, "structs", logFields.map(thriftTag)],
      ],
    );
    fields.push([11, "structs", logs]);
  }
  return fields;
}

function thriftReference({ traceId, spanId, type }: JaegerReference): ThriftStruct {
  return [
    [1, "i32", type === "childOf" ? 0 : 1],
    [2, "i64", low(traceId)],
    [3, "i64", high(traceId)],
    [4, "i64", low(spanId)],
  ];
}

export function thriftProcess({ service, tags }: JaegerProcess): ThriftStruct {
  const name: ThriftField = [1, "string", service];
  return tags.length === 0 ? [name] : [name, [2, "structs", tags.map(thriftTag)]];
}

export function thriftBatch(
  spans: readonly ThriftStruct[],
  process: ThriftStruct = thriftProcess({ service: "shop", tags: [] }),
): ThriftStruct {
  return [
    [1, "struct", process],
    [2, "structs", spans],
  ];
}

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

function low(id: string): bigint {
  return BigInt.asUintN(64, BigInt(`0x${id}`));
}

function high(id: string): bigint {
  return BigInt(`0x${id}`) >> 64n;
}

function time(micros: bigint): { seconds: bigint; nanos: number } {
  return { seconds: micros / 1_000_000n, nanos: Number(micros % 1_000_000n) * 1000 };
}
