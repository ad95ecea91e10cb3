import type { TlsSettings } from "../../server/settings.ts";
import type { HttpDoorSettings } from "../shared/settings.ts";

export type GrpcReceiverSettings = {
  /** `host:port`, or a path when `transport` is `unix`. */
  readonly endpoint: string;
  readonly transport: "tcp" | "unix";
  readonly tls: TlsSettings | undefined;
  /** Larger messages are refused with RESOURCE_EXHAUSTED. */
  readonly maxRecvMessageBytes: number;
  /** 0 = no limit of our own. */
  readonly maxConcurrentStreams: number;
};

/** Bodies over the limit get 413. */
export type HttpReceiverSettings = HttpDoorSettings & { readonly tracesUrlPath: string };

export type OtlpReceiverSettings = {
  readonly grpc: GrpcReceiverSettings | undefined;
  readonly http: HttpReceiverSettings | undefined;
};
