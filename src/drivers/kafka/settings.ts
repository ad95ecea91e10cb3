export type KafkaSaslSettings = {
  readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
  readonly username: string;
  readonly password: string;
};

/** Files are PEM; empty texts are absent ones. */
export type KafkaTlsSettings = {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly insecureSkipVerify: boolean;
  /** Name that the brokers' certificates must have; empty = their host names. */
  readonly serverName: string;
  readonly minVersion: string | undefined;
  readonly maxVersion: string | undefined;
};

/** How brokers are reached, and which member of which group this is. */
export type KafkaClientSettings = {
  /** `host:port` each; those that a first connection is tried with. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** How partitions are shared out; all members of a group must name the same. */
  readonly assignor: "cooperative-sticky" | "roundrobin";
  readonly sasl: KafkaSaslSettings | undefined;
  readonly tls: KafkaTlsSettings | undefined;
};
