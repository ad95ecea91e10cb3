export type TopicPartition = { readonly topic: string; readonly partition: number };
export type PartitionOffset = TopicPartition & { readonly offset: bigint };

export type FetchLimits = {
  readonly minBytes: number;
  /** Of one answer and of one partition in it; a single larger batch still comes whole. */
  readonly maxBytes: number;
  readonly maxWaitMs: number;
};

export type FetchedPartition = TopicPartition & {
  /** Kafka's number; 0 = none. */
  readonly errorCode: number;
  /** Where the next record that is written will be. */
  readonly highWatermark: bigint;
  /** Record batches, of which the last may be cut short. */
  readonly records: Uint8Array;
};

/** Of Kafka's error codes those that a consumer acts on. */
export const KafkaError = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
} as const;

export type GroupEvents = {
  /** All partitions that the member has from now on. Called again with each rebalance. */
  onAssigned(partitions: readonly TopicPartition[]): void;
  /** The group has not been heard of for longer than the session lasts. */
  onStalled(error: unknown): void;
};

/**
 * A member of a consumer group. Heartbeats and rebalances go on by themselves between `join` and
 * `close`; reconnects are the callee's. Whatever fails rejects and may be tried again.
 */
export interface GroupMember {
  /** Names of all topics that the brokers show to this client, without internal ones. */
  listTopics(): Promise<readonly string[]>;
  /** Resolves when the first assignment is known. */
  join(topics: readonly string[]): Promise<void>;
  /** By `keyOf`; partitions for which the group has no offset are left out. */
  committed(partitions: readonly TopicPartition[]): Promise<ReadonlyMap<string, bigint>>;
  /** The first or the next offset of each partition, by `keyOf`. */
  edges(
    partitions: readonly TopicPartition[],
    edge: "earliest" | "latest",
  ): Promise<ReadonlyMap<string, bigint>>;
  /** The broker that leads each partition of `topics`, by `keyOf`. `fresh` asks again. */
  leaders(topics: readonly string[], fresh: boolean): Promise<ReadonlyMap<string, number>>;
  /** Records from the given offsets on, of partitions that `node` leads. */
  fetch(
    node: number,
    from: readonly PartitionOffset[],
    limits: FetchLimits,
  ): Promise<readonly FetchedPartition[]>;
  /** Offsets are those of the next record to read. */
  commit(offsets: readonly PartitionOffset[]): Promise<void>;
  /** Leaves the group and closes all connections. */
  close(): Promise<void>;
}

export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}:${partition}`;
}
