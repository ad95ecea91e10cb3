import { once } from "node:events";
import { connect, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { type Listener, type ListenOptions, listen } from "../../src/runtime/listen.ts";

/** Listeners and clients of one test file; `closeAll` belongs into `afterEach`. */
export class Sockets {
  readonly #listeners: Listener[] = [];
  readonly #clients: grpc.Client[] = [];
  readonly #sockets: Socket[] = [];
  readonly reports: unknown[] = [];

  async listen(options: Partial<ListenOptions>): Promise<Listener> {
    const listener = await listen({
      name: "test",
      endpoint: { host: "127.0.0.1", port: 0 },
      report: (error) => this.reports.push(error),
      ...options,
    });
    this.#listeners.push(listener);
    return listener;
  }

  /** A client that sends and receives raw messages. */
  grpc(port: number, options: grpc.ClientOptions = {}): RawClient {
    const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options);
    this.#clients.push(client);
    return new RawClient(client);
  }

  async socket(port: number): Promise<Socket> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    this.#sockets.push(socket);
    await once(socket, "connect");
    return socket;
  }

  async closeAll(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    for (const socket of this.#sockets.splice(0)) socket.destroy();
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close(0)));
    this.reports.length = 0;
  }
}

const raw = (bytes: Buffer) => bytes;

export type UnaryResult = { response: Buffer; error?: undefined } | { error: grpc.ServiceError };

export class RawClient {
  readonly client: grpc.Client;

  constructor(client: grpc.Client) {
    this.client = client;
  }

  unary(
    path: string,
    message: Uint8Array,
    metadata = new grpc.Metadata(),
    options: grpc.CallOptions = {},
  ): Promise<UnaryResult> & { cancel(): void } {
    let call: grpc.ClientUnaryCall | undefined;
    const result = new Promise<UnaryResult>((resolve) => {
      call = this.client.makeUnaryRequest(
        path,
        raw,
        raw,
        Buffer.from(message),
        metadata,
        options,
        (error, response) => resolve(error ? { error } : { response: response ?? Buffer.alloc(0) }),
      );
    });
    return Object.assign(result, { cancel: () => call?.cancel() });
  }

  serverStream(path: string, message: Uint8Array): grpc.ClientReadableStream<Buffer> {
    return this.client.makeServerStreamRequest(path, raw, raw, Buffer.from(message));
  }

  clientStream(
    path: string,
    done: (error: grpc.ServiceError | null) => void,
  ): grpc.ClientWritableStream<Buffer> {
    return this.client.makeClientStreamRequest(path, raw, raw, done);
  }
}

/** All that `socket` still receives until the peer ends. */
export async function readToEnd(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}

/** Resolves when `condition` holds; the test's own time-out is the bound. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

export type { ListenOptions };
