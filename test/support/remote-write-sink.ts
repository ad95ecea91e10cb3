import http, { type IncomingHttpHeaders, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import { type WriteRequest, WriteRequestSchema } from "../../gen/prometheus/remote_pb.ts";
import { decompressSnappyBlock } from "../../src/ingest/decompress-snappy.ts";

const MAX_BODY_BYTES = 16 * 1024 * 1024;

export type SinkRequest = {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly request: WriteRequest;
};

export type SinkAnswer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** What is answered, by default 204; "never" leaves the client waiting. */
export type SinkRule = (
  request: SinkRequest,
  index: number,
) => SinkAnswer | "never" | Promise<SinkAnswer>;

export type SinkTls = Pick<
  https.ServerOptions,
  "cert" | "key" | "ca" | "requestCert" | "rejectUnauthorized"
>;

export type RemoteWriteSink = {
  readonly url: string;
  readonly port: number;
  /** In the order of their arrival, whatever was answered. */
  readonly requests: SinkRequest[];
  /** The most that were there at a time. */
  readonly atOnce: () => number;
  readonly connections: () => number;
  close(): Promise<void>;
};

/** A real endpoint of remote write on a free port, or on `port`. */
export async function startRemoteWriteSink(
  rule: SinkRule = () => ({ status: 204 }),
  options: { readonly port?: number; readonly tls?: SinkTls } = {},
): Promise<RemoteWriteSink> {
  const requests: SinkRequest[] = [];
  let [open, most, connections] = [0, 0, 0];
  const serve = async (incoming: http.IncomingMessage, outgoing: ServerResponse) => {
    most = Math.max(most, ++open);
    outgoing.on("close", () => open--);
    const request: SinkRequest = {
      path: incoming.url ?? "",
      headers: incoming.headers,
      rawHeaders: incoming.rawHeaders,
      request: await readRequest(incoming),
    };
    requests.push(request);
    const answer = await rule(request, requests.length - 1);
    if (answer === "never") return;
    outgoing.writeHead(answer.status, answer.headers).end(answer.body);
  };
  const listener = (incoming: http.IncomingMessage, outgoing: ServerResponse) => {
    serve(incoming, outgoing).catch(() => outgoing.destroy());
  };
  const { tls } = options;
  const server =
    tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}/api/v1/push`,
    port,
    requests,
    atOnce: () => most,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readRequest(incoming: http.IncomingMessage): Promise<WriteRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = decompressSnappyBlock(Buffer.concat(chunks), MAX_BODY_BYTES);
  return fromBinary(WriteRequestSchema, body);
}
