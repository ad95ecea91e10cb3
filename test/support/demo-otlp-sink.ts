import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fromBinary, fromJson } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import {
  type ExportTraceServiceRequest,
  ExportTraceServiceRequestSchema,
} from "../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import type { Span } from "../../gen/opentelemetry/proto/trace/v1/trace_pb.ts";

export type SunkSpan = {
  readonly service: string;
  readonly via: "grpc" | "http/protobuf" | "http/json";
  readonly scope: string;
  readonly span: Span;
};

export type OtlpSink = {
  readonly grpcUrl: string;
  readonly httpUrl: string;
  readonly spans: readonly SunkSpan[];
  close(): Promise<void>;
};

/** Takes OTLP over gRPC, HTTP with protobuf and HTTP with JSON, decoded with generated code. */
export async function startOtlpSink(): Promise<OtlpSink> {
  const spans: SunkSpan[] = [];
  const take = (request: ExportTraceServiceRequest, via: SunkSpan["via"]): void => {
    for (const { resource, scopeSpans } of request.resourceSpans) {
      const name = resource?.attributes.find((a) => a.key === "service.name")?.value?.value;
      const service = name?.case === "stringValue" ? name.value : "";
      for (const { scope, spans: list } of scopeSpans) {
        for (const span of list) spans.push({ service, via, scope: scope?.name ?? "", span });
      }
    }
  };
  const http = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks);
      const json = incoming.headers["content-type"] === "application/json";
      if (json) {
        take(fromJson(ExportTraceServiceRequestSchema, otlpJson(body)), "http/json");
      } else {
        take(fromBinary(ExportTraceServiceRequestSchema, body), "http/protobuf");
      }
      response.writeHead(200, { "content-type": incoming.headers["content-type"] ?? "" });
      response.end(json ? "{}" : undefined);
    });
  });
  await listen(http);
  const server = new grpc.Server();
  server.addService(
    {
      Export: {
        path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        requestStream: false,
        responseStream: false,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
        requestSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    {
      Export: (
        call: grpc.ServerUnaryCall<Buffer, Buffer>,
        done: grpc.sendUnaryData<Buffer>,
      ): void => {
        take(fromBinary(ExportTraceServiceRequestSchema, call.request), "grpc");
        done(null, Buffer.alloc(0));
      },
    },
  );
  const grpcPort = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
  return {
    grpcUrl: `http://127.0.0.1:${grpcPort}`,
    httpUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    spans,
    close: async () => {
      server.forceShutdown();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
}

/** OTLP's JSON writes ids as hex where protobuf's JSON has base64. */
function otlpJson(body: Buffer): never {
  return JSON.parse(body.toString("utf8"), (key, value: unknown) =>
    /^(traceId|spanId|parentSpanId)$/.test(key) && typeof value === "string"
      ? Buffer.from(value, "hex").toString("base64")
      : value,
  ) as never;
}
