import type { KafkaClientSettings } from "../../drivers/kafka/settings.ts";

export type KafkaEncoding =
  | "otlp_proto"
  | "otlp_json"
  | "jaeger_proto"
  | "jaeger_json"
  | "zipkin_proto"
  | "zipkin_json"
  | "zipkin_thrift";

export type KafkaReceiverSettings = {
  /** Key under `receivers`, e.g. `kafka` or `kafka/jaeger`. */
  readonly name: string;
  readonly client: KafkaClientSettings;
  /** Names of topics; what begins with `^` is a pattern for names. */
  readonly topics: readonly string[];
  /** Patterns for names that patterns of `topics` do not take. */
  readonly excludeTopics: readonly string[];
  readonly encoding: KafkaEncoding;
  /** Where a partition begins for which the group has no offset. */
  readonly initialOffset: "earliest" | "latest";
  readonly minFetchBytes: number;
  readonly maxFetchBytes: number;
  readonly maxFetchWaitMs: number;
  /** Offsets of what is stored are committed this often; 0 = at once. */
  readonly commitIntervalMs: number;
};
