import type { GrpcMethod, GrpcService, UniversalHandler } from "../../runtime/grpc/service.ts";
import { GrpcCode, type GrpcStatus } from "../../runtime/grpc/status.ts";
import { mapError } from "../../server/error-map.ts";
import type { Readiness } from "../../server/readiness.ts";

/** `HealthCheckResponse`: field 1, status: SERVING = 1, NOT_SERVING = 2. */
const SERVING = new Uint8Array([0x08, 0x01]);
const NOT_SERVING = new Uint8Array([0x08, 0x02]);
/** The request only names a service; all of this process' services share one state. */
const MAX_REQUEST_BYTES = 4096;

/** `grpc.health.v1.Health/Check`. */
export function healthMethod(readiness: Readiness): GrpcMethod {
  return {
    path: "/grpc.health.v1.Health/Check",
    maxMessageBytes: MAX_REQUEST_BYTES,
    handle: async () => (readiness.reason() === undefined ? SERVING : NOT_SERVING),
  };
}

/** The gRPC services of the query port. */
export function queryGrpcService(
  readiness: Readiness,
  universal: readonly UniversalHandler[],
  observe: NonNullable<GrpcService["observe"]>,
): GrpcService {
  return { methods: [healthMethod(readiness)], universal, toStatus: queryStatus, observe };
}

function queryStatus(error: unknown): GrpcStatus {
  const { status, message } = mapError(error);
  return { code: status.rpc ?? GrpcCode.unknown, message };
}
