import { connect, constants } from "node:http2";
import { HttpClient } from "../support/http-get.ts";
import type { Protocol } from "../support/options.ts";
import type { Ports } from "../support/server-process.ts";

/** Sends OTLP requests. */
export interface Sender {
  /** Resolves when the spans are acknowledged; rejects when they are not. */
  send(body: Uint8Array): Promise<void>;
  close(): void;
}

export type SenderOptions = {
  readonly protocol: Protocol;
  readonly ports: Ports;
  readonly connections: number;
};

export function openSender({ protocol, ports, connections }: SenderOptions): Sender {
  return protocol === "http"
    ? httpSender(`http://127.0.0.1:${ports.otlpHttp}/v1/traces`, connections)
    : grpcSender(`http://127.0.0.1:${ports.otlpGrpc}`, connections);
}

/** OTLP/HTTP with protobuf bodies over connections that stay open. */
function httpSender(url: string, connections: number): Sender {
  const client = new HttpClient(connections);
  return {
    async send(body) {
      const headers = { "content-type": "application/x-protobuf" };
      const answer = await client.send(url, { method: "POST", headers, body });
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
    },
    close: () => client.close(),
  };
}

const EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const FRAME_HEADER_BYTES = 5;
const GRPC_TIMEOUT_MS = 60_000;

/** OTLP/gRPC as frames on bare HTTP/2 streams: a client library would cost more than the server. */
function grpcSender(url: string, connections: number): Sender {
  const sessions = Array.from({ length: connections }, () => {
    const session = connect(url);
    // Streams report what happened.
    session.on("error", () => {});
    return session;
  });
  let next = 0;
  return {
    send(body) {
      const session = sessions[next++ % sessions.length]!;
      return new Promise((resolve, reject) => {
        const stream = session.request({
          [constants.HTTP2_HEADER_METHOD]: "POST",
          [constants.HTTP2_HEADER_PATH]: EXPORT,
          [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
          [constants.HTTP2_HEADER_TE]: "trailers",
        });
        let status: string | undefined;
        let message = "";
        const readStatus = (headers: Readonly<Record<string, unknown>>): void => {
          if (headers["grpc-status"] === undefined) return;
          status = String(headers["grpc-status"]);
          message = String(headers["grpc-message"] ?? "");
        };
        stream.setTimeout(GRPC_TIMEOUT_MS, () => stream.destroy(new Error("no answer")));
        stream.on("response", readStatus);
        stream.on("trailers", readStatus);
        stream.on("data", () => {});
        stream.once("error", reject);
        stream.once("close", () => {
          if (status === "0") resolve();
          else reject(new Error(`gRPC status ${status ?? "missing"} ${message}`));
        });
        const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length);
        new DataView(frame.buffer).setUint32(1, body.length);
        frame.set(body, FRAME_HEADER_BYTES);
        stream.end(frame);
      });
    },
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}
