import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { StreamingQuerier } from "../../../gen/tempopb/tempo_pb.ts";

export type StreamMethod = keyof typeof StreamingQuerier.method;
type InputOf<M extends StreamMethod> = (typeof StreamingQuerier.method)[M]["input"];
type OutputOf<M extends StreamMethod> = (typeof StreamingQuerier.method)[M]["output"];

export type StreamAnswer<M extends StreamMethod> = {
  readonly messages: MessageShape<OutputOf<M>>[];
  /** Encoded size of each message. */
  readonly sizes: number[];
  /** 0 = OK. */
  readonly code: number;
  readonly details: string;
};

/** `StreamingQuerier` through @grpc/grpc-js, as plain gRPC clients speak it. */
export class StreamingClient {
  readonly #client: grpc.Client;

  constructor(port: number) {
    this.#client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      "grpc.enable_retries": 0,
      "grpc.max_receive_message_length": -1,
    });
  }

  /** The call itself; messages are encoded ones. */
  open<M extends StreamMethod>(
    method: M,
    request: MessageInitShape<InputOf<M>>,
    metadata: readonly (readonly [string, string])[] = [],
    options: grpc.CallOptions = {},
  ): grpc.ClientReadableStream<Buffer> {
    const { name, input } = StreamingQuerier.method[method];
    const sent = new grpc.Metadata();
    for (const [key, value] of metadata) sent.add(key, value);
    const raw = (bytes: Buffer): Buffer => bytes;
    return this.#client.makeServerStreamRequest(
      `/${StreamingQuerier.typeName}/${name}`,
      raw,
      raw,
      Buffer.from(toBinary(input as DescMessage, create(input as DescMessage, request as never))),
      sent,
      options,
    );
  }

  /** Reads the whole stream. Never rejects. */
  async call<M extends StreamMethod>(
    method: M,
    request: MessageInitShape<InputOf<M>>,
    metadata: readonly (readonly [string, string])[] = [],
    options: grpc.CallOptions = {},
  ): Promise<StreamAnswer<M>> {
    const stream = this.open(method, request, metadata, {
      deadline: Date.now() + 60_000,
      ...options,
    });
    const { output } = StreamingQuerier.method[method];
    const messages: MessageShape<OutputOf<M>>[] = [];
    const sizes: number[] = [];
    stream.on("data", (bytes: Buffer) => {
      messages.push(fromBinary(output as DescMessage, bytes) as MessageShape<OutputOf<M>>);
      sizes.push(bytes.length);
    });
    stream.on("error", () => {});
    return await new Promise((resolve) => {
      stream.on("status", ({ code, details }: grpc.StatusObject) =>
        resolve({ messages, sizes, code, details }),
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}
