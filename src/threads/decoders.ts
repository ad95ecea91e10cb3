import { BodyFormat } from "../ingest/ingest.ts";
import type {
  BatchDecoder,
  BatchDecoderOptions,
  TruncatedAttributes,
} from "../model/batch-decoder.ts";
import { DecodeError } from "../model/decode-error.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import { countProtobufSpans, scanThriftBatch } from "../receivers/jaeger/count-spans.ts";
import { JaegerProtobufDecoder } from "../receivers/jaeger/decode-protobuf.ts";
import { type JaegerThriftBody, JaegerThriftDecoder } from "../receivers/jaeger/decode-thrift.ts";
import { jaegerJsonToProtobuf } from "../receivers/jaeger/span-json.ts";
import { countSpans } from "../receivers/otlp/count-spans.ts";
import { OtlpDecoder } from "../receivers/otlp/decode.ts";
import { otlpJsonToProtobuf } from "../receivers/otlp/json.ts";
import { countZipkinSpans } from "../receivers/zipkin/count-spans.ts";
import { isZipkinFormat, ZipkinDecoder } from "../receivers/zipkin/decode.ts";

const THRIFT_BODIES = {
  [BodyFormat.jaegerThrift]: "batch",
  [BodyFormat.jaegerAgentBinary]: "binary message",
  [BodyFormat.jaegerAgentCompact]: "compact message",
} as const satisfies Record<number, JaegerThriftBody>;

/** The decoders of all receivers over one batch; but for OTLP's they are made when needed. */
class AnyDecoder implements BatchDecoder {
  readonly #batch: SpanBatch;
  readonly #options: BatchDecoderOptions;
  readonly #otlp: OtlpDecoder;
  #zipkin: ZipkinDecoder | undefined;
  #jaegerProtobuf: JaegerProtobufDecoder | undefined;
  #jaegerThrift: JaegerThriftDecoder | undefined;

  constructor(batch: SpanBatch, options: BatchDecoderOptions) {
    this.#batch = batch;
    this.#options = options;
    this.#otlp = new OtlpDecoder(batch, options);
  }

  get truncated(): Readonly<TruncatedAttributes> {
    return sum([this.#otlp, this.#zipkin, this.#jaegerProtobuf, this.#jaegerThrift]);
  }

  decode(
    format: number,
    body: Uint8Array,
    admit?: (protobufBytes: number) => void,
    receivedUnixMs?: number,
  ): number {
    if (isZipkinFormat(format)) {
      this.#zipkin ??= new ZipkinDecoder(this.#batch, this.#options);
      return this.#zipkin.decode(format, body, admit, receivedUnixMs);
    }
    switch (format) {
      case BodyFormat.otlpProtobuf:
        admit?.(body.length);
        return this.#otlp.decode(body);
      case BodyFormat.otlpJson: {
        const protobuf = otlpJsonToProtobuf(body);
        admit?.(protobuf.length);
        return this.#otlp.decode(protobuf);
      }
      case BodyFormat.jaegerProtobuf:
        return this.#jaeger().decode(body, admit);
      case BodyFormat.jaegerSpanProtobuf:
        return this.#jaeger().decodeSpan(body, admit);
      case BodyFormat.jaegerSpanJson:
        return this.#jaeger().decodeSpan(jaegerJsonToProtobuf(body), admit);
      case BodyFormat.jaegerThrift:
      case BodyFormat.jaegerAgentBinary:
      case BodyFormat.jaegerAgentCompact:
        this.#jaegerThrift ??= new JaegerThriftDecoder(this.#batch, this.#options);
        return this.#jaegerThrift.decode(body, THRIFT_BODIES[format], admit);
      default:
        throw new Error(`no decoder for body format ${format}`);
    }
  }

  #jaeger(): JaegerProtobufDecoder {
    this.#jaegerProtobuf ??= new JaegerProtobufDecoder(this.#batch, this.#options);
    return this.#jaegerProtobuf;
  }

  countSpans(format: number, body: Uint8Array): number {
    if (isZipkinFormat(format)) return countZipkinSpans(format, body);
    switch (format) {
      case BodyFormat.otlpProtobuf:
        return countSpans(body);
      case BodyFormat.otlpJson:
        try {
          return countSpans(otlpJsonToProtobuf(body));
        } catch (e) {
          if (e instanceof DecodeError) return 0;
          throw e;
        }
      case BodyFormat.jaegerProtobuf:
        return countProtobufSpans(body);
      case BodyFormat.jaegerSpanProtobuf:
      case BodyFormat.jaegerSpanJson:
        return 1;
      case BodyFormat.jaegerThrift:
      case BodyFormat.jaegerAgentBinary:
      case BodyFormat.jaegerAgentCompact:
        return scanThriftBatch(body, THRIFT_BODIES[format]).spanCount;
      default:
        return 0;
    }
  }
}

function sum(
  decoders: readonly ({ readonly truncated: TruncatedAttributes } | undefined)[],
): TruncatedAttributes {
  const total = { resource: 0, scope: 0, span: 0, event: 0, link: 0 };
  for (const decoder of decoders) {
    if (decoder === undefined) continue;
    total.resource += decoder.truncated.resource;
    total.scope += decoder.truncated.scope;
    total.span += decoder.truncated.span;
    total.event += decoder.truncated.event;
    total.link += decoder.truncated.link;
  }
  return total;
}

export function newBatchDecoder(batch: SpanBatch, options: BatchDecoderOptions): BatchDecoder {
  return new AnyDecoder(batch, options);
}
