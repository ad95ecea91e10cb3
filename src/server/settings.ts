export type TlsSettings = {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string | undefined;
  /** Go's names, e.g. `RequireAndVerifyClientCert`; only with `clientCaFile`. */
  readonly clientAuthType: string | undefined;
  /** Node's names, e.g. `TLSv1.2`; undefined leaves the choice to the runtime. */
  readonly minVersion: string | undefined;
  readonly maxVersion: string | undefined;
};

export type CorsSettings = {
  readonly allowedOrigins: readonly string[];
  readonly allowedHeaders: readonly string[];
  readonly maxAgeSeconds: number;
};

export type ServerSettings = {
  /** "" = all interfaces. */
  readonly httpListenAddress: string;
  readonly httpListenPort: number;
  readonly grpcListenAddress: string;
  readonly grpcListenPort: number;
  /** Prefix of all routes, also `/ready` and `/metrics`. */
  readonly httpPathPrefix: string;
  /** Prefix of `/api/…` only. */
  readonly httpApiPrefix: string;
  readonly httpReadTimeoutMs: number;
  readonly httpWriteTimeoutMs: number;
  readonly httpIdleTimeoutMs: number;
  /** 0 = off. */
  readonly httpReadHeaderTimeoutMs: number;
  /** 0 = unlimited. */
  readonly httpListenConnLimit: number;
  readonly httpTls: TlsSettings | undefined;
  readonly grpcTls: TlsSettings | undefined;
  readonly grpcMaxRecvMessageBytes: number;
  readonly grpcMaxSendMessageBytes: number;
  readonly grpcMaxConcurrentStreams: number;
  /** Largest message of a streamed answer; 0 = off. */
  readonly grpcStreamPacketBytes: number;
  readonly gracefulShutdownTimeoutMs: number;
  /** `/ready` answers 503 for this long after SIGTERM before the doors close. */
  readonly shutdownDelayMs: number;
  /** false removes `/metrics`. */
  readonly registerInstrumentation: boolean;
  readonly multitenancyEnabled: boolean;
  /** gRPC (h2c) on the HTTP port. */
  readonly streamOverHttpEnabled: boolean;
};
