import { createServer, type Server, type Socket } from "node:net";
import { createRecordsBatch } from "@platformatic/kafka";
import { FakeGroup } from "./fake-kafka-group.ts";
import { freePorts } from "./free-ports.ts";
import type { Compression, KafkaCluster, KafkaMessage } from "./kafka-cluster.ts";
import { KafkaReader, KafkaWriter } from "./kafka-wire.ts";

const Api = {
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetCommit: 8,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  apiVersions: 18,
} as const;
type ApiKey = (typeof Api)[keyof typeof Api];

/** Those of a broker of version 2.3, before the "flexible" ones. Only these are answered. */
const VERSIONS: Readonly<Record<ApiKey, number>> = {
  [Api.fetch]: 11,
  [Api.listOffsets]: 5,
  [Api.metadata]: 8,
  [Api.offsetCommit]: 7,
  [Api.offsetFetch]: 5,
  [Api.findCoordinator]: 2,
  [Api.joinGroup]: 5,
  [Api.heartbeat]: 3,
  [Api.leaveGroup]: 3,
  [Api.syncGroup]: 3,
  [Api.apiVersions]: 1,
};
const UNSUPPORTED_VERSION = 35;
const UNKNOWN_TOPIC = 3;
const OUT_OF_RANGE = 1;
const NODE = 1;
/** Between two looks for new records while a fetch waits. */
const POLL_MS = 10;

type Batch = { readonly base: bigint; readonly next: bigint; readonly bytes: Buffer };
type Log = { first: bigint; next: bigint; readonly batches: Batch[] };

/**
 * A fake of one Kafka broker with what a consumer group needs, at the level of the protocol: real
 * sockets and frames, records in real batches, groups with generations and expiry, in memory. It
 * knows no authentication, no transactions, no replicas; a test against a real broker is beside it.
 */
export class FakeKafka implements KafkaCluster {
  readonly #port: number;
  readonly #topics = new Map<string, Log[]>();
  readonly #groups = new Map<string, FakeGroup>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  readonly #expiry = setInterval(() => {
    for (const group of this.#groups.values()) group.expire();
  }, 100);
  /** Called with each request; what it returns is an error code to answer with, or "cut". */
  onRequest: (api: ApiKey) => "cut" | undefined = () => undefined;
  /** Frames answered, by API. */
  readonly answered = new Map<ApiKey, number>();

  private constructor(port: number) {
    this.#port = port;
  }

  static async open(options: { readonly down?: boolean } = {}): Promise<FakeKafka> {
    const [port] = (await freePorts(1)) as [number];
    const fake = new FakeKafka(port);
    if (!options.down) await fake.up();
    return fake;
  }

  static readonly Api = Api;

  get broker(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async up(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
  }

  /** No connection is left and none is taken; topics and groups stay. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async close(): Promise<void> {
    clearInterval(this.#expiry);
    await this.down();
  }

  createTopic(topic: string, partitions: number): Promise<void> {
    const logs = Array.from({ length: partitions }, () => ({ first: 0n, next: 0n, batches: [] }));
    this.#topics.set(topic, logs);
    return Promise.resolve();
  }

  produce(
    topic: string,
    messages: readonly KafkaMessage[],
    compression: Compression = "none",
  ): Promise<void> {
    const byPartition = Map.groupBy(messages, ({ partition = 0 }) => partition);
    for (const [partition, group] of byPartition) {
      const batch = createRecordsBatch(
        group.map(({ value, headers = {} }) => ({
          topic,
          key: undefined as unknown as Buffer,
          value: (value === undefined ? undefined : Buffer.from(value)) as Buffer,
          headers: new Map(
            Object.entries(headers).map(([key, text]) => [Buffer.from(key), Buffer.from(text)]),
          ),
        })),
        { compression },
      );
      this.append(topic, partition, Buffer.from(batch.buffer), group.length);
    }
    return Promise.resolve();
  }

  /** Stores a batch of `count` records as it is, but for its offset. */
  append(topic: string, partition: number, bytes: Buffer, count: number): void {
    const log = this.#topics.get(topic)![partition]!;
    bytes.writeBigInt64BE(log.next, 0);
    const next = log.next + BigInt(count);
    log.batches.push({ base: log.next, next, bytes });
    log.next = next;
  }

  /** As retention does. */
  truncate(topic: string, partition: number, first: bigint): void {
    const log = this.#topics.get(topic)![partition]!;
    log.first = first;
    while (log.batches[0] !== undefined && log.batches[0].next <= first) log.batches.shift();
  }

  committed(group: string, topic: string, partitions: number): Promise<readonly bigint[]> {
    const { offsets } = this.group(group);
    const numbers = Array.from({ length: partitions }, (_, i) => i);
    return Promise.resolve(numbers.map((i) => offsets.get(`${topic}:${i}`) ?? -1n));
  }

  group(id: string): FakeGroup {
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = new FakeGroup();
      this.#groups.set(id, group);
    }
    return group;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    let received = Buffer.alloc(0);
    // As a broker does, one request of a connection after another.
    let turn = Promise.resolve();
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const frame = received.subarray(4, 4 + received.readInt32BE(0));
        received = received.subarray(4 + frame.length);
        turn = turn.then(() => this.#answer(socket, frame));
      }
    });
  }

  async #answer(socket: Socket, frame: Buffer): Promise<void> {
    const request = new KafkaReader(frame);
    const api = request.int16() as ApiKey;
    const version = request.int16();
    const correlation = request.int32();
    request.string();
    if (this.onRequest(api) === "cut") {
      socket.destroy();
      return;
    }
    const known = VERSIONS[api] !== undefined && version <= VERSIONS[api];
    // A broker answers ApiVersions of a version it does not know in version 0.
    const body =
      known || api === Api.apiVersions ? await this.#body(api, known, request, socket) : undefined;
    if (body === undefined) {
      socket.destroy();
      return;
    }
    const head = Buffer.alloc(8);
    head.writeInt32BE(4 + body.length, 0);
    head.writeInt32BE(correlation, 4);
    if (!socket.destroyed) socket.write(Buffer.concat([head, body]));
    this.answered.set(api, (this.answered.get(api) ?? 0) + 1);
  }

  #body(
    api: ApiKey,
    known: boolean,
    request: KafkaReader,
    socket: Socket,
  ): Promise<Buffer> | Buffer {
    switch (api) {
      case Api.apiVersions: {
        const out = new KafkaWriter().int16(known ? 0 : UNSUPPORTED_VERSION);
        out.array(Object.entries(VERSIONS), ([key, max]) =>
          out.int16(Number(key)).int16(0).int16(max),
        );
        return known ? out.int32(0).finish() : out.finish();
      }
      case Api.metadata:
        return this.#metadata(request);
      case Api.findCoordinator: {
        const out = new KafkaWriter().int32(0).int16(0).string(null);
        return out.int32(NODE).string("127.0.0.1").int32(this.#port).finish();
      }
      case Api.joinGroup: {
        const group = this.group(request.string());
        const sessionMs = request.int32();
        request.int32();
        const id = request.string();
        request.string();
        request.string();
        const [first] = request.array(() => ({
          name: request.string(),
          metadata: request.bytes(),
        }))!;
        return new Promise((resolve) =>
          group.join(id, sessionMs, first!.name, first!.metadata, resolve),
        );
      }
      case Api.syncGroup: {
        const group = this.group(request.string());
        const [generation, id] = [request.int32(), request.string()];
        request.string();
        const assignments = request.array(() => ({
          member: request.string(),
          assignment: request.bytes(),
        }))!;
        return new Promise((resolve) => group.sync(id, generation, assignments, resolve));
      }
      case Api.heartbeat: {
        const group = this.group(request.string());
        const [generation, id] = [request.int32(), request.string()];
        return new KafkaWriter().int32(0).int16(group.check(id, generation)).finish();
      }
      case Api.leaveGroup: {
        const group = this.group(request.string());
        const ids = request.array(() => [request.string(), request.string()][0]!)!;
        for (const id of ids) group.leave(id);
        const out = new KafkaWriter().int32(0).int16(0);
        return out.array(ids, (id) => out.string(id).string(null).int16(0)).finish();
      }
      case Api.offsetFetch:
        return this.#offsetFetch(request);
      case Api.offsetCommit:
        return this.#offsetCommit(request);
      case Api.listOffsets:
        return this.#listOffsets(request);
      case Api.fetch:
        return this.#fetch(request, socket);
      default:
        return api satisfies never;
    }
  }

  #metadata(request: KafkaReader): Buffer {
    const names = request.array(() => request.string()) ?? [...this.#topics.keys()];
    const out = new KafkaWriter().int32(0);
    out.array([0], () => out.int32(NODE).string("127.0.0.1").int32(this.#port).string(null));
    out.string("fake").int32(NODE);
    out.array(names, (name) => {
      const logs = this.#topics.get(name) ?? [];
      out
        .int16(logs.length === 0 ? UNKNOWN_TOPIC : 0)
        .string(name)
        .int8(0);
      out.array([...logs.keys()], (partition) => {
        out.int16(0).int32(partition).int32(NODE).int32(0);
        for (let list = 0; list < 2; list++) out.array([NODE], (node) => out.int32(node));
        out.int32(0);
      });
      out.int32(0);
    });
    return out.int32(0).finish();
  }

  #offsetFetch(request: KafkaReader): Buffer {
    const { offsets } = this.group(request.string());
    const topics = request.array(() => ({
      name: request.string(),
      partitions: request.array(() => request.int32())!,
    }))!;
    const out = new KafkaWriter().int32(0);
    out.array(topics, ({ name, partitions }) => {
      out.string(name).array(partitions, (partition) => {
        const offset = offsets.get(`${name}:${partition}`) ?? -1n;
        out.int32(partition).int64(offset).int32(-1).string("").int16(0);
      });
    });
    return out.int16(0).finish();
  }

  #offsetCommit(request: KafkaReader): Buffer {
    const group = this.group(request.string());
    const [generation, id] = [request.int32(), request.string()];
    request.string();
    const topics = request.array(() => ({
      name: request.string(),
      partitions: request.array(() => {
        const [partition, offset] = [request.int32(), request.int64()];
        request.int32();
        request.string();
        return { partition, offset };
      })!,
    }))!;
    const code = group.check(id, generation, false);
    const out = new KafkaWriter().int32(0);
    out.array(topics, ({ name, partitions }) => {
      out.string(name).array(partitions, ({ partition, offset }) => {
        if (code === 0) group.offsets.set(`${name}:${partition}`, offset);
        out.int32(partition).int16(code);
      });
    });
    return out.finish();
  }

  #listOffsets(request: KafkaReader): Buffer {
    request.int32();
    request.int8();
    const out = new KafkaWriter().int32(0);
    const topics = request.array(() => ({
      name: request.string(),
      partitions: request.array(() => {
        const partition = request.int32();
        request.int32();
        return { partition, time: request.int64() };
      })!,
    }))!;
    out.array(topics, ({ name, partitions }) => {
      out.string(name).array(partitions, ({ partition, time }) => {
        const log = this.#topics.get(name)?.[partition];
        out
          .int32(partition)
          .int16(log === undefined ? UNKNOWN_TOPIC : 0)
          .int64(-1n);
        out.int64((time === -2n ? log?.first : log?.next) ?? -1n).int32(0);
      });
    });
    return out.finish();
  }

  async #fetch(request: KafkaReader, socket: Socket): Promise<Buffer> {
    request.int32();
    const waitMs = request.int32();
    request.int32();
    let room = request.int32();
    request.int8();
    request.int32();
    request.int32();
    const topics = request.array(() => ({
      name: request.string(),
      partitions: request.array(() => {
        const partition = request.int32();
        request.int32();
        const offset = request.int64();
        request.int64();
        request.int32();
        return { partition, offset };
      })!,
    }))!;
    const wanted = () =>
      topics.some(({ name, partitions }) =>
        partitions.some(({ partition, offset }) => {
          const log = this.#topics.get(name)?.[partition];
          return log === undefined || offset < log.next || offset > log.next;
        }),
      );
    const until = Date.now() + waitMs;
    while (!wanted() && Date.now() < until && !socket.destroyed) {
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
    const out = new KafkaWriter().int32(0).int16(0).int32(0);
    out.array(topics, ({ name, partitions }) => {
      out.string(name).array(partitions, ({ partition, offset }) => {
        const log = this.#topics.get(name)?.[partition];
        const chosen: Buffer[] = [];
        let code = 0;
        if (log === undefined) code = UNKNOWN_TOPIC;
        else if (offset < log.first || offset > log.next) code = OUT_OF_RANGE;
        else {
          for (const { next, bytes } of log.batches) {
            if (next <= offset) continue;
            // The first batch of an answer comes whole, whatever its size.
            if (room < bytes.length && (chosen.length > 0 || room <= 0)) break;
            room -= bytes.length;
            chosen.push(bytes);
          }
        }
        const end = log?.next ?? -1n;
        out
          .int32(partition)
          .int16(code)
          .int64(end)
          .int64(end)
          .int64(log?.first ?? -1n);
        out.int32(-1).int32(-1).bytes(Buffer.concat(chosen));
      });
    });
    return out.finish();
  }
}
