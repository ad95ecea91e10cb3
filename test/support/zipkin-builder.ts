import { createRequire } from "node:module";
import { create, toBinary } from "@bufbuild/protobuf";
import { ListOfSpansSchema, Span_Kind } from "../../gen/zipkin/proto3/zipkin_pb.ts";

/** An endpoint as it stands in JSON. */
export type ZipkinEndpoint = {
  serviceName?: string;
  ipv4?: string;
  ipv6?: string;
  port?: number;
};

/** A v2 span as it stands in JSON. */
export type ZipkinSpan = {
  traceId: string;
  id: string;
  parentId?: string;
  kind?: "CLIENT" | "SERVER" | "PRODUCER" | "CONSUMER";
  name?: string;
  timestamp?: number;
  duration?: number;
  localEndpoint?: ZipkinEndpoint;
  remoteEndpoint?: ZipkinEndpoint;
  annotations?: { timestamp: number; value: string }[];
  tags?: Record<string, string>;
  debug?: boolean;
  shared?: boolean;
};

export const START_MICROS = 1_767_225_600_000_001;

/** A span with valid ids, to be changed by `over`. */
export function aZipkinSpan(over: Partial<ZipkinSpan> = {}): ZipkinSpan {
  return {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    id: "b7ad6b7169203331",
    name: "get /",
    timestamp: START_MICROS,
    duration: 1500,
    localEndpoint: { serviceName: "shop" },
    ...over,
  };
}

export function json(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function v2Protobuf(spans: readonly ZipkinSpan[]): Uint8Array<ArrayBuffer> {
  const list = create(ListOfSpansSchema, {
    spans: spans.map((span) => ({
      traceId: hexBytes(span.traceId),
      id: hexBytes(span.id),
      parentId: hexBytes(span.parentId ?? ""),
      kind: span.kind === undefined ? Span_Kind.SPAN_KIND_UNSPECIFIED : Span_Kind[span.kind],
      name: span.name ?? "",
      timestamp: BigInt(span.timestamp ?? 0),
      duration: BigInt(span.duration ?? 0),
      ...(span.localEndpoint && { localEndpoint: protobufEndpoint(span.localEndpoint) }),
      ...(span.remoteEndpoint && { remoteEndpoint: protobufEndpoint(span.remoteEndpoint) }),
      annotations: (span.annotations ?? []).map((a) => ({ ...a, timestamp: BigInt(a.timestamp) })),
      tags: span.tags ?? {},
      debug: span.debug ?? false,
      shared: span.shared ?? false,
    })),
  });
  return toBinary(ListOfSpansSchema, list);
}

function protobufEndpoint({ serviceName = "", ipv4, ipv6, port = 0 }: ZipkinEndpoint) {
  return {
    serviceName,
    ipv4: ipv4 === undefined ? new Uint8Array(0) : Uint8Array.from(ipv4.split(".").map(Number)),
    ipv6: ipv6 === undefined ? new Uint8Array(0) : ipv6Bytes(ipv6),
    port,
  };
}

/** Of an address with `::` for all zeros between the first and the last group. */
export function ipv6Bytes(text: string): Uint8Array<ArrayBuffer> {
  const [head = "", tail = ""] = text.split("::");
  const bytes = new Uint8Array(16);
  for (const [i, group] of head.split(":").entries()) {
    bytes.set(hexBytes(group.padStart(4, "0")), 2 * i);
  }
  bytes.set(hexBytes(tail.padStart(4, "0")), 14);
  return bytes;
}

export function hexBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** What a binary annotation holds, by the names of `zipkincore.AnnotationType`. */
export type ThriftValue = { type: ThriftValueType; bytes: Uint8Array };
export type ThriftValueType = "bool" | "bytes" | "i16" | "i32" | "i64" | "double" | "string";
const VALUE_TYPES = ["bool", "bytes", "i16", "i32", "i64", "double", "string"];

export type ThriftEndpoint = {
  ipv4?: number;
  port?: number;
  service?: string;
  ipv6?: Uint8Array;
};

/** A v1 span as Thrift has it; ids are hex. */
export type ThriftSpan = {
  traceId?: string;
  traceIdHigh?: string;
  id?: string;
  parentId?: string;
  name?: string;
  timestamp?: number;
  duration?: number;
  debug?: boolean;
  annotations?: { timestamp?: number; value?: string; host?: ThriftEndpoint }[];
  binaryAnnotations?: { key: string; value: ThriftValue | string; host?: ThriftEndpoint }[];
  /** A field that no version of the structure has, nested so deep. */
  unknownDepth?: number;
};

/** A `list<zipkincore.Span>` in the binary protocol, by Apache Thrift's own encoder. */
export function v1Thrift(spans: readonly ThriftSpan[]): Uint8Array<ArrayBuffer> {
  let out = new Uint8Array(0);
  const transport = new thrift.TBufferedTransport(null, (bytes: Uint8Array) => {
    out = new Uint8Array(bytes);
  });
  const writer = new ThriftStructs(new thrift.TBinaryProtocol(transport));
  writer.list(undefined, spans, (span) => writer.span(span));
  transport.flush();
  return out;
}

type Protocol = {
  writeListBegin(type: number, size: number): void;
  writeFieldBegin(name: string, type: number, id: number): void;
  writeFieldStop(): void;
  writeI64(value: unknown): void;
  writeI32(value: number): void;
  writeI16(value: number): void;
  writeBool(value: boolean): void;
  writeString(value: string): void;
  writeBinary(value: Buffer): void;
};

/** The library has no types of its own. */
const thrift = createRequire(import.meta.url)("thrift") as {
  TBufferedTransport: new (buffer: null, onFlush: (bytes: Uint8Array) => void) => { flush(): void };
  TBinaryProtocol: new (transport: unknown) => Protocol;
  Int64: new (bytes: Buffer) => unknown;
};

const Type = { bool: 2, i16: 6, i32: 8, i64: 10, string: 11, struct: 12, list: 15 } as const;

/** Writes what generated code would. */
class ThriftStructs {
  readonly #out: Protocol;

  constructor(out: Protocol) {
    this.#out = out;
  }

  span(span: ThriftSpan): void {
    this.#id(1, span.traceId);
    this.#string(3, span.name);
    this.#id(4, span.id);
    this.#id(5, span.parentId);
    if (span.annotations !== undefined) {
      this.list(6, span.annotations, ({ timestamp, value, host }) => {
        this.#micros(1, timestamp);
        this.#string(2, value);
        this.#endpoint(3, host);
        this.#out.writeFieldStop();
      });
    }
    if (span.binaryAnnotations !== undefined) {
      this.list(8, span.binaryAnnotations, ({ key, value, host }) => {
        const { type, bytes } =
          typeof value === "string" ? { type: "string", bytes: Buffer.from(value) } : value;
        this.#string(1, key);
        this.#field(2, Type.string);
        this.#out.writeBinary(Buffer.from(bytes));
        this.#field(3, Type.i32);
        this.#out.writeI32(VALUE_TYPES.indexOf(type));
        this.#endpoint(4, host);
        this.#out.writeFieldStop();
      });
    }
    if (span.debug !== undefined) {
      this.#field(9, Type.bool);
      this.#out.writeBool(span.debug);
    }
    this.#micros(10, span.timestamp);
    this.#micros(11, span.duration);
    this.#id(12, span.traceIdHigh);
    for (let depth = 0; depth < (span.unknownDepth ?? 0); depth++) this.#field(99, Type.struct);
    for (let depth = 0; depth < (span.unknownDepth ?? 0); depth++) this.#out.writeFieldStop();
    this.#out.writeFieldStop();
  }

  /** A list of structs; without an id it is no field. */
  list<T>(id: number | undefined, items: readonly T[], write: (item: T) => void): void {
    if (id !== undefined) this.#field(id, Type.list);
    this.#out.writeListBegin(Type.struct, items.length);
    for (const item of items) write(item);
  }

  #endpoint(id: number, endpoint: ThriftEndpoint | undefined): void {
    if (endpoint === undefined) return;
    this.#field(id, Type.struct);
    if (endpoint.ipv4 !== undefined) {
      this.#field(1, Type.i32);
      this.#out.writeI32(endpoint.ipv4);
    }
    if (endpoint.port !== undefined) {
      this.#field(2, Type.i16);
      this.#out.writeI16((endpoint.port << 16) >> 16);
    }
    this.#string(3, endpoint.service);
    if (endpoint.ipv6 !== undefined) {
      this.#field(4, Type.string);
      this.#out.writeBinary(Buffer.from(endpoint.ipv6));
    }
    this.#out.writeFieldStop();
  }

  #id(id: number, hex: string | undefined): void {
    if (hex === undefined) return;
    this.#field(id, Type.i64);
    this.#out.writeI64(new thrift.Int64(Buffer.from(hex, "hex")));
  }

  #micros(id: number, micros: number | undefined): void {
    if (micros === undefined) return;
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt(micros));
    this.#field(id, Type.i64);
    this.#out.writeI64(new thrift.Int64(bytes));
  }

  #string(id: number, text: string | undefined): void {
    if (text === undefined) return;
    this.#field(id, Type.string);
    this.#out.writeString(text);
  }

  #field(id: number, type: number): void {
    this.#out.writeFieldBegin("", type, id);
  }
}
