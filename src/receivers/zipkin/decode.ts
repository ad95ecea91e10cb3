import { BodyFormat } from "../../ingest/ingest.ts";
import type { BatchDecoderOptions, TruncatedAttributes } from "../../model/batch-decoder.ts";
import { DecodeError } from "../../model/decode-error.ts";
import { otlpProtobufSize } from "../../model/protobuf-size.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { ThriftError } from "../../util/thrift-reader.ts";
import { WireError } from "../../util/wire-reader.ts";
import { AttributeText } from "./attribute-text.ts";
import { ResourceRows } from "./resource-rows.ts";
import { V1JsonDecoder } from "./v1-json.ts";
import { V1Span } from "./v1-span.ts";
import { V1ThriftDecoder } from "./v1-thrift.ts";
import { V2JsonDecoder } from "./v2-json.ts";
import { V2ProtobufDecoder } from "./v2-protobuf.ts";
import { V2Span } from "./v2-span.ts";

/** The formats that this decoder takes. */
export type ZipkinFormat = Extract<
  (typeof BodyFormat)[keyof typeof BodyFormat],
  16 | 17 | 18 | 19 | 20 | 21 | 22
>;

export function isZipkinFormat(format: number): format is ZipkinFormat {
  return format >= BodyFormat.zipkinV2Json && format <= BodyFormat.zipkinV1JsonTyped;
}

/**
 * Decodes Zipkin's four formats straight into the columns of one batch: no object or string per span
 * or tag. Lives as long as its batch.
 */
export class ZipkinDecoder {
  readonly truncated: TruncatedAttributes = { resource: 0, scope: 0, span: 0, event: 0, link: 0 };
  readonly #batch: SpanBatch;
  readonly #rows: ResourceRows;
  readonly #v1: V1Span;
  readonly #v2: V2Span;
  readonly #v1Json: V1JsonDecoder;
  readonly #v1Thrift: V1ThriftDecoder;
  readonly #v2Json: V2JsonDecoder;
  readonly #v2Protobuf: V2ProtobufDecoder;

  constructor(batch: SpanBatch, options: BatchDecoderOptions) {
    const { strings } = batch;
    const text = new AttributeText(strings, options.maxAttributeBytes);
    this.#batch = batch;
    this.#rows = new ResourceRows(batch);
    this.#v1 = new V1Span(batch, text, this.#rows, this.truncated);
    this.#v2 = new V2Span(batch, text, this.#rows, this.truncated);
    this.#v1Json = new V1JsonDecoder(strings, this.#v1);
    this.#v1Thrift = new V1ThriftDecoder(strings, this.#v1);
    this.#v2Json = new V2JsonDecoder(strings, this.#v2);
    this.#v2Protobuf = new V2ProtobufDecoder(strings, this.#v2);
  }

  /**
   * Appends the spans of a body and returns their number. `admit` is given their size as OTLP
   * protobuf; `receivedUnixMs` is the time of v1 JSON spans that have none. Throws a `DecodeError`
   * or what `admit` throws, after which the batch is as before.
   */
  decode(
    format: ZipkinFormat,
    body: Uint8Array,
    admit?: (protobufBytes: number) => void,
    receivedUnixMs = 0,
  ): number {
    const batch = this.#batch;
    const mark = batch.mark();
    const truncated = { ...this.truncated };
    this.#rows.begin();
    try {
      this.#decode(format, body, receivedUnixMs);
      admit?.(otlpProtobufSize(batch, mark.spanCount));
      return batch.spanCount - mark.spanCount;
    } catch (error) {
      batch.rollback(mark);
      this.#rows.rollback();
      Object.assign(this.truncated, truncated);
      if (error instanceof WireError || error instanceof ThriftError) {
        throw new DecodeError("syntax", error.message);
      }
      throw error;
    }
  }

  #decode(format: ZipkinFormat, body: Uint8Array, receivedUnixMs: number): void {
    this.#v1.parsesTags = format === BodyFormat.zipkinV1JsonTyped;
    this.#v1.receivedMicros = 0;
    this.#v2.parsesTags =
      format === BodyFormat.zipkinV2JsonTyped || format === BodyFormat.zipkinV2ProtobufTyped;
    switch (format) {
      case BodyFormat.zipkinV2Json:
      case BodyFormat.zipkinV2JsonTyped:
        this.#v2Json.decode(body);
        return;
      case BodyFormat.zipkinV2Protobuf:
      case BodyFormat.zipkinV2ProtobufTyped:
        this.#v2Protobuf.decode(body);
        return;
      case BodyFormat.zipkinV1Json:
      case BodyFormat.zipkinV1JsonTyped:
        this.#v1.receivedMicros = Math.max(0, Math.trunc(receivedUnixMs)) * 1000;
        this.#v1Json.decode(body);
        return;
      case BodyFormat.zipkinV1Thrift:
        this.#v1Thrift.decode(body);
        return;
      default:
        format satisfies never;
    }
  }
}
