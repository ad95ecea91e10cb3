import { create, toBinary } from "@bufbuild/protobuf";
import { AnySchema, type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { isPintailError } from "../../errors.ts";
import { GrpcCode, type GrpcStatus } from "../../runtime/grpc/status.ts";
import { mapError } from "../../server/error-map.ts";

export const PROTOBUF_TYPE = "application/x-protobuf";
export const JSON_TYPE = "application/json";
export type OtlpMediaType = typeof PROTOBUF_TYPE | typeof JSON_TYPE;

/** A present but empty `partial_success`, byte for byte what Tempo answers. */
export const SUCCESS_PROTOBUF: Uint8Array = new Uint8Array([0x0a, 0x00]);
const SUCCESS_JSON = '{"partialSuccess":{}}';

const RETRY_INFO_URL = "type.googleapis.com/google.rpc.RetryInfo";

export function successResponse(type: OtlpMediaType): Response {
  const body = type === JSON_TYPE ? SUCCESS_JSON : new Uint8Array(SUCCESS_PROTOBUF);
  return new Response(body, { headers: { "content-type": type } });
}

/** The HTTP answer to a failed push: a Status in the request's own encoding. */
export function errorResponse(error: unknown, type: OtlpMediaType): Response {
  const { status, message, retryAfterMs } = mapError(error);
  // Over HTTP a body that does not decode is the client's fault; gRPC calls it "internal".
  const code = isPintailError(error, "malformed") ? GrpcCode.invalidArgument : status.push.rpc;
  return statusResponse(status.push.http, code, message, type, retryDelay(retryAfterMs));
}

export function statusResponse(
  http: number,
  code: GrpcCode,
  message: string,
  type: OtlpMediaType,
  delay?: Duration,
): Response {
  const headers = new Headers({ "content-type": type });
  if (delay !== undefined && (http === 429 || http === 503)) {
    headers.set("retry-after", String(delay.seconds));
  }
  const body =
    type === JSON_TYPE
      ? statusJson(code, message, delay)
      : new Uint8Array(toBinary(StatusSchema, statusMessage(code, message, delay)));
  return new Response(body, { status: http, headers });
}

/** The gRPC answer to a failed push; details only where a retry makes sense. */
export function errorStatus(error: unknown): GrpcStatus {
  const { status, message, retryAfterMs } = mapError(error);
  const code = status.push.rpc;
  const delay = retryDelay(retryAfterMs);
  if (delay === undefined) return { code, message };
  return {
    code,
    message,
    details: toBinary(StatusSchema, statusMessage(code, message, delay)),
  };
}

function statusMessage(code: number, message: string, delay: Duration | undefined): Status {
  const details =
    delay === undefined
      ? []
      : [
          create(AnySchema, {
            typeUrl: RETRY_INFO_URL,
            value: toBinary(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: delay })),
          }),
        ];
  return create(StatusSchema, { code, message, details });
}

function statusJson(code: number, message: string, delay: Duration | undefined): string {
  const details =
    delay === undefined
      ? undefined
      : [{ "@type": RETRY_INFO_URL, retryDelay: durationText(delay) }];
  return JSON.stringify({ code, message, details });
}

function retryDelay(retryAfterMs: number | undefined): Duration | undefined {
  if (retryAfterMs === undefined || retryAfterMs <= 0) return undefined;
  const ms = Math.ceil(retryAfterMs);
  return create(DurationSchema, {
    seconds: BigInt(Math.floor(ms / 1000)),
    nanos: (ms % 1000) * 1_000_000,
  });
}

/** `5s`, `1.500s`: as protobuf's JSON form has it. */
function durationText({ seconds, nanos }: Duration): string {
  if (nanos === 0) return `${seconds}s`;
  return `${seconds}.${String(nanos / 1_000_000).padStart(3, "0")}s`;
}
