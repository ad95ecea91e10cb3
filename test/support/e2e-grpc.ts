import { compressionAlgorithms, credentials, Metadata, makeClientConstructor } from "@grpc/grpc-js";

const EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const raw = (bytes: Buffer): Buffer => bytes;

const RawTraceService = makeClientConstructor(
  {
    export: {
      path: EXPORT,
      requestStream: false,
      responseStream: false,
      requestSerialize: raw,
      requestDeserialize: raw,
      responseSerialize: raw,
      responseDeserialize: raw,
    },
  },
  "TraceService",
);

export type GrpcAnswer = {
  /** 0 = OK. */
  readonly code: number;
  readonly message: string;
  readonly body: Buffer | undefined;
  /** `grpc-status-details-bin`. */
  readonly details: Buffer | undefined;
};

export type GrpcClient = {
  /** One `Export` of these bytes as they are. Never rejects. */
  export(bytes: Uint8Array, metadata?: Record<string, string>): Promise<GrpcAnswer>;
  close(): void;
};

/** @grpc/grpc-js without generated code, so that any bytes can be sent. */
export function grpcClient(port: number, options: { gzip?: boolean } = {}): GrpcClient {
  const client = new RawTraceService(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.default_compression_algorithm": options.gzip
      ? compressionAlgorithms.gzip
      : compressionAlgorithms.identity,
    "grpc.max_send_message_length": -1,
    // Answers are looked at one by one.
    "grpc.enable_retries": 0,
  });
  type Failure = { code: number; details: string; metadata: Metadata };
  return {
    export: (bytes, metadata = {}) =>
      new Promise((done) => {
        const sent = new Metadata();
        for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
        const deadline = Date.now() + 30_000;
        client.export!(
          Buffer.from(bytes),
          sent,
          { deadline },
          (error: Failure | null, body: Buffer | undefined) => {
            const details = error?.metadata.get("grpc-status-details-bin")[0];
            done({
              code: error?.code ?? 0,
              message: error?.details ?? "",
              body,
              details: Buffer.isBuffer(details) ? details : undefined,
            });
          },
        );
      }),
    close: () => client.close(),
  };
}
