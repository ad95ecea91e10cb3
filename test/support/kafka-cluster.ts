import { Admin, Producer } from "@platformatic/kafka";

export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

export type KafkaMessage = {
  readonly value: Uint8Array | undefined;
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
};

/** What tests do with brokers, beside Pintail. */
export interface KafkaCluster {
  /** `host:port`. */
  readonly broker: string;
  createTopic(topic: string, partitions: number): Promise<void>;
  /** All messages of one partition go in one batch. */
  produce(
    topic: string,
    messages: readonly KafkaMessage[],
    compression?: Compression,
  ): Promise<void>;
  /** By partition; -1 where the group has none. */
  committed(group: string, topic: string, partitions: number): Promise<readonly bigint[]>;
  close(): Promise<void>;
}

/** A cluster that runs somewhere; topics of the tests stay in it. */
export class RealKafka implements KafkaCluster {
  readonly broker: string;
  readonly #admin: Admin;
  readonly #producer: Producer;

  constructor(broker: string) {
    this.broker = broker;
    const options = { clientId: "pintail-test", bootstrapBrokers: [broker], retries: 5 };
    this.#admin = new Admin(options);
    this.#producer = new Producer(options);
  }

  async createTopic(topic: string, partitions: number): Promise<void> {
    await this.#admin.createTopics({ topics: [topic], partitions, replicas: 1 });
  }

  async produce(
    topic: string,
    messages: readonly KafkaMessage[],
    compression: Compression = "none",
  ): Promise<void> {
    await this.#producer.send({
      compression,
      acks: -1,
      messages: messages.map(({ value, partition = 0, headers = {} }) => ({
        topic,
        partition,
        value: value === undefined ? (null as unknown as Buffer) : Buffer.from(value),
        headers: new Map(
          Object.entries(headers).map(([key, text]) => [Buffer.from(key), Buffer.from(text)]),
        ),
      })),
    });
  }

  async committed(group: string, topic: string, partitions: number): Promise<readonly bigint[]> {
    const numbers = Array.from({ length: partitions }, (_, i) => i);
    const groups = await this.#admin.listConsumerGroupOffsets({
      groups: [{ groupId: group, topics: [{ name: topic, partitionIndexes: numbers }] }],
    });
    const found = groups[0]?.topics.find((each) => each.name === topic)?.partitions ?? [];
    return numbers.map(
      (i) => found.find((each) => each.partitionIndex === i)?.committedOffset ?? -1n,
    );
  }

  async close(): Promise<void> {
    await this.#producer.close();
    await this.#admin.close();
  }
}
