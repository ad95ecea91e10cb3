import { readFile } from "node:fs/promises";
import type { ConnectionOptions, SecureVersion } from "node:tls";
import type { Admin, ConnectionPool, Consumer } from "@platformatic/kafka";
import { PintailError } from "../../errors.ts";
import { parseFetchResponse } from "./fetch-response.ts";
import {
  type FetchedPartition,
  type FetchLimits,
  type GroupEvents,
  type GroupMember,
  keyOf,
  type PartitionOffset,
  type TopicPartition,
} from "./group-member.ts";
import type { KafkaClientSettings, KafkaTlsSettings } from "./settings.ts";

/** What the settings name, read from disk. */
export type KafkaTls = ConnectionOptions;

const CONNECT_TIMEOUT_MS = 10_000;
/** How long a member may take to rejoin before the group goes on without it. */
const REBALANCE_TIMEOUT_MS = 60_000;
/** A broker answers within its own waits and this. */
const REQUEST_TIMEOUT_MS = 15_000;
/** Version 11 is known to all brokers since 2.3, and names topics instead of numbering them. */
const FETCH = { api: 1, version: 11 };
const READ_UNCOMMITTED = 0;
/** Earliest and latest, as ListOffsets writes them. */
const EDGES = { earliest: -2n, latest: -1n };

type Package = typeof import("@platformatic/kafka");

/**
 * Loads the client library, which takes tens of megabytes and so is not there before, and makes a
 * member that is not connected yet.
 */
export async function openGroupMember(
  settings: KafkaClientSettings,
  tls: KafkaTls | undefined,
  events: GroupEvents,
): Promise<GroupMember> {
  return new LibraryMember(await import("@platformatic/kafka"), settings, tls, events);
}

/** Reads the certificate files. Throws `invalid` naming the file, so that a start can fail. */
export async function loadKafkaTls(settings: KafkaTlsSettings): Promise<KafkaTls> {
  const { caFile, certFile, keyFile, serverName, minVersion, maxVersion } = settings;
  return {
    rejectUnauthorized: !settings.insecureSkipVerify,
    ...(caFile === "" ? {} : { ca: await read(caFile) }),
    ...(certFile === "" ? {} : { cert: await read(certFile), key: await read(keyFile) }),
    ...(serverName === "" ? {} : { servername: serverName }),
    minVersion: (minVersion ?? "TLSv1.2") as SecureVersion,
    ...(maxVersion === undefined ? {} : { maxVersion: maxVersion as SecureVersion }),
  };
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new PintailError("invalid", `cannot read TLS file ${path}`, { cause });
  }
}

class LibraryMember implements GroupMember {
  readonly #library: Package;
  readonly #base: ConstructorParameters<Package["Admin"]>[0];
  readonly #consumer: Consumer;
  /** Fetches wait at the broker, so they get connections of their own. */
  readonly #fetches: ConnectionPool;
  readonly #nodes = new Map<number, { readonly host: string; readonly port: number }>();

  constructor(
    library: Package,
    settings: KafkaClientSettings,
    tls: KafkaTls | undefined,
    events: GroupEvents,
  ) {
    const { clientId, groupId, brokers, sasl, sessionTimeoutMs, heartbeatIntervalMs } = settings;
    const rebalanceTimeout = Math.max(REBALANCE_TIMEOUT_MS, sessionTimeoutMs);
    const connection = {
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...(tls === undefined ? {} : { tls }),
      ...(sasl === undefined ? {} : { sasl: { ...sasl } }),
    };
    this.#library = library;
    this.#base = {
      ...connection,
      clientId,
      bootstrapBrokers: [...brokers],
      requestTimeout: REQUEST_TIMEOUT_MS,
      retries: 0,
    };
    this.#consumer = new library.Consumer({
      ...this.#base,
      // Joining waits for all other members.
      requestTimeout: rebalanceTimeout + REQUEST_TIMEOUT_MS,
      retries: 3,
      groupId,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: heartbeatIntervalMs,
      rebalanceTimeout,
      heartbeatStallTimeout: 3 * sessionTimeoutMs,
      protocols: [{ name: settings.assignor, version: 1 }],
      // The library looks at the leader's topics only. Members without owned partitions, as those of
      // "roundrobin" are, get even shares.
      partitionAssigner: (current, members, _leadersTopics, metadata) =>
        library.cooperativeStickyAssigner(
          current,
          members,
          new Set([...members.values()].flatMap(({ topics = [] }) => topics)),
          metadata,
        ),
      autocommit: false,
    });
    this.#fetches = new library.ConnectionPool(clientId, {
      ...connection,
      requestTimeout: REQUEST_TIMEOUT_MS,
    });
    this.#consumer.on("consumer:group:join", ({ assignments }) => {
      events.onAssigned(
        (assignments ?? []).flatMap(({ topic, partitions }) =>
          partitions.map((partition) => ({ topic, partition })),
        ),
      );
    });
    this.#consumer.on("consumer:heartbeat:stalled", ({ lastError }) => events.onStalled(lastError));
    // A rejoin that failed for good.
    this.#consumer.on("error", (error: unknown) => events.onStalled(error));
  }

  async listTopics(): Promise<readonly string[]> {
    const admin: Admin = new this.#library.Admin(this.#base);
    try {
      return await plainly(admin.listTopics());
    } finally {
      await admin.close().catch(() => {});
    }
  }

  async join(topics: readonly string[]): Promise<void> {
    this.#consumer.topics.trackAll(...topics);
    await plainly(this.#consumer.joinGroup({}));
  }

  async committed(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, bigint>> {
    const topics = [...byTopic(partitions)].map(([topic, partitions]) => ({ topic, partitions }));
    const offsets = await plainly(this.#consumer.listCommittedOffsets({ topics }));
    return pick(partitions, (topic, partition) => offsets.get(topic)?.[partition]);
  }

  async edges(
    partitions: readonly TopicPartition[],
    edge: "earliest" | "latest",
  ): Promise<ReadonlyMap<string, bigint>> {
    const topics = byTopic(partitions);
    const asked = this.#consumer.listOffsets({
      topics: [...topics.keys()],
      partitions: Object.fromEntries(topics),
      timestamp: EDGES[edge],
      isolationLevel: READ_UNCOMMITTED,
    });
    const offsets = await plainly(asked);
    return pick(partitions, (topic, partition) => offsets.get(topic)?.[partition]);
  }

  async leaders(topics: readonly string[], fresh: boolean): Promise<ReadonlyMap<string, number>> {
    const asked = this.#consumer.metadata({ topics: [...topics], forceUpdate: fresh });
    const metadata = await plainly(asked);
    for (const [node, broker] of metadata.brokers) this.#nodes.set(node, broker);
    const leaders = new Map<string, number>();
    for (const topic of topics) {
      const partitions = metadata.topics.get(topic)?.partitions ?? [];
      for (const [partition, { leader }] of partitions.entries()) {
        if (leader >= 0) leaders.set(keyOf({ topic, partition }), leader);
      }
    }
    return leaders;
  }

  async fetch(
    node: number,
    from: readonly PartitionOffset[],
    { minBytes, maxBytes, maxWaitMs }: FetchLimits,
  ): Promise<readonly FetchedPartition[]> {
    const { fetchV11 } = this.#library;
    const broker = this.#nodes.get(node);
    if (broker === undefined) throw new PintailError("unavailable", `broker ${node} is not known`);
    const connection = await plainly(this.#fetches.get(broker));
    const topics = [...byTopic(from)].map(([topicId]) => ({
      topicId,
      partitions: from
        .filter(({ topic }) => topic === topicId)
        .map(({ partition, offset }) => ({
          partition,
          currentLeaderEpoch: -1,
          fetchOffset: offset,
          lastFetchedEpoch: -1,
          partitionMaxBytes: maxBytes,
        })),
    }));
    const request = () =>
      fetchV11.createRequest(
        maxWaitMs,
        minBytes,
        maxBytes,
        READ_UNCOMMITTED,
        0,
        // No session: each request names all partitions.
        -1,
        topics,
        [],
        "",
      );
    return new Promise((resolve, reject) => {
      connection.send<readonly FetchedPartition[]>(
        FETCH.api,
        FETCH.version,
        request,
        // The library would decompress without a bound.
        (_id, _api, _version, reader) => parseFetchResponse(reader.buffer.buffer),
        false,
        false,
        (error, found) => {
          if (error || found === undefined) reject(error ?? new Error("fetch without an answer"));
          else resolve(found);
        },
      );
    });
  }

  async commit(offsets: readonly PartitionOffset[]): Promise<void> {
    const known = offsets.map((each) => ({ ...each, leaderEpoch: -1 }));
    await plainly(this.#consumer.commit({ offsets: known }));
  }

  async close(): Promise<void> {
    await Promise.all([this.#consumer.close(true), this.#fetches.close()]);
  }
}

/** Rejects with what lies at the bottom of the library's errors, whose own words say little. */
async function plainly<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (cause) {
    const top = cause instanceof Error ? cause.message : String(cause);
    const bottom = bottomOf(cause);
    const message = bottom === top ? top : `${top.replace(/\.$/, "")}: ${bottom}`;
    throw new PintailError("unavailable", message, { cause });
  }
}

function bottomOf(error: unknown): string {
  let at = error;
  for (let depth = 0; depth < 10; depth++) {
    const next = at instanceof AggregateError ? at.errors[0] : at instanceof Error && at.cause;
    if (!(next instanceof Error)) break;
    at = next;
  }
  if (!(at instanceof Error)) return String(at);
  // A refused connection to several addresses has no words, only a code.
  return at.message || String((at as { code?: unknown }).code ?? at.name);
}

function byTopic(partitions: readonly TopicPartition[]): Map<string, number[]> {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const numbers = topics.get(topic);
    if (numbers === undefined) topics.set(topic, [partition]);
    else numbers.push(partition);
  }
  return topics;
}

/** What `offsetOf` knows, without the -1 that stands for nothing. */
function pick(
  partitions: readonly TopicPartition[],
  offsetOf: (topic: string, partition: number) => bigint | undefined,
): ReadonlyMap<string, bigint> {
  const found = new Map<string, bigint>();
  for (const each of partitions) {
    const offset = offsetOf(each.topic, each.partition);
    if (offset !== undefined && offset >= 0n) found.set(keyOf(each), offset);
  }
  return found;
}
