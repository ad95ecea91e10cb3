import { BodyFormat } from "../ingest/ingest.ts";
import type {
  BatchDecoder,
  BatchDecoderOptions,
  TruncatedAttributes,
} from "../model/batch-decoder.ts";
import { DecodeError } from "../model/decode-error.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import { countSpans } from "../receivers/otlp/count-spans.ts";
import { OtlpDecoder } from "../receivers/otlp/decode.ts";
import { otlpJsonToProtobuf } from "../receivers/otlp/json.ts";

/** The decoders of all receivers over one batch. */
class AnyDecoder implements BatchDecoder {
  readonly #otlp: OtlpDecoder;

  constructor(batch: SpanBatch, options: BatchDecoderOptions) {
    this.#otlp = new OtlpDecoder(batch, options);
  }

  get truncated(): Readonly<TruncatedAttributes> {
    return this.#otlp.truncated;
  }

  decode(format: number, body: Uint8Array, admit?: (protobufBytes: number) => void): number {
    switch (format) {
      case BodyFormat.otlpProtobuf:
        admit?.(body.length);
        return this.#otlp.decode(body);
      case BodyFormat.otlpJson: {
        const protobuf = otlpJsonToProtobuf(body);
        admit?.(protobuf.length);
        return this.#otlp.decode(protobuf);
      }
      default:
        throw new Error(`no decoder for body format ${format}`);
    }
  }

  countSpans(format: number, body: Uint8Array): number {
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
      default:
        return 0;
    }
  }
}

export function newBatchDecoder(batch: SpanBatch, options: BatchDecoderOptions): BatchDecoder {
  return new AnyDecoder(batch, options);
}
