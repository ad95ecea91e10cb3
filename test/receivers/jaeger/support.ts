import { SpanBatch } from "../../../src/model/span-batch.ts";
import { JaegerProtobufDecoder } from "../../../src/receivers/jaeger/decode-protobuf.ts";
import { JaegerThriftDecoder } from "../../../src/receivers/jaeger/decode-thrift.ts";
import {
  encodePostSpans,
  type JaegerProcess,
  type JaegerSpan,
  protobufSpan,
  thriftBatch,
  thriftProcess,
  thriftSpan,
} from "../../support/jaeger-builder.ts";
import { type PlainSpan, readBatch } from "../../support/read-batch.ts";
import { encodeMessage, encodeStruct, type ThriftStruct } from "../../support/thrift-encoder.ts";

export type Format = "protobuf" | "binary" | "compact";
export const FORMATS: readonly Format[] = ["protobuf", "binary", "compact"];

export const SHOP: JaegerProcess = { service: "shop", tags: [] };

/** The same spans and process in each format; compact as the message that agents get. */
export function encodeJaeger(
  format: Format,
  spans: readonly JaegerSpan[],
  process: JaegerProcess = SHOP,
): Uint8Array<ArrayBuffer> {
  if (format === "protobuf") return encodePostSpans(spans.map(protobufSpan), process);
  const batch = thriftBatch(spans.map(thriftSpan), thriftProcess(process));
  if (format === "binary") return encodeStruct(batch, "binary");
  return encodeMessage("emitBatch", [[1, "struct", batch]], "compact");
}

export function emitBatch(batch: ThriftStruct): ThriftStruct {
  return [[1, "struct", batch]];
}

/** A decoder of one format over a batch of its own. */
export class OneFormat {
  readonly batch = new SpanBatch(7);
  readonly #decode: (body: Uint8Array, admit?: (bytes: number) => void) => number;

  constructor(format: Format, maxAttributeBytes = 2048) {
    const options = { maxAttributeBytes };
    if (format === "protobuf") {
      const decoder = new JaegerProtobufDecoder(this.batch, options);
      this.#decode = (body, admit) => decoder.decode(body, admit);
      this.truncated = decoder.truncated;
    } else {
      const decoder = new JaegerThriftDecoder(this.batch, options);
      const kind = format === "binary" ? "batch" : "compact message";
      this.#decode = (body, admit) => decoder.decode(body, kind, admit);
      this.truncated = decoder.truncated;
    }
  }

  readonly truncated;

  decode(body: Uint8Array, admit?: (bytes: number) => void): number {
    return this.#decode(body, admit);
  }

  get spans(): PlainSpan[] {
    return readBatch(this.batch);
  }
}

/** What is stored of these spans. */
export function stored(
  format: Format,
  spans: readonly JaegerSpan[],
  process: JaegerProcess = SHOP,
): PlainSpan[] {
  const one = new OneFormat(format);
  one.decode(encodeJaeger(format, spans, process));
  return one.spans;
}
