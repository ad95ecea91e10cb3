import type { CorsSettings, TlsSettings } from "../../server/settings.ts";

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

export type HttpReceiverSettings = {
  readonly endpoint: string;
  readonly tls: TlsSettings | undefined;
  readonly cors: CorsSettings | undefined;
  /** Applies to the body as received and again decompressed; larger ones get 413. */
  readonly maxRequestBodyBytes: number;
  readonly tracesUrlPath: string;
};

export type OtlpReceiverSettings = {
  readonly grpc: GrpcReceiverSettings | undefined;
  readonly http: HttpReceiverSettings | undefined;
};
