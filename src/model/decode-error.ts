/**
 * Why a body was refused in decoding: `syntax` when the bytes are not what they claim to be,
 * `id` when they are, but a trace or span id is not acceptable (the two have different statuses in
 * OTLP: INTERNAL / 400 against INVALID_ARGUMENT / 400).
 */
export type DecodeFailure = "syntax" | "trace_id" | "span_id" | "limit";

export class DecodeError extends Error {
  readonly failure: DecodeFailure;
  constructor(failure: DecodeFailure, message: string) {
    super(message);
    this.name = "DecodeError";
    this.failure = failure;
  }
}
