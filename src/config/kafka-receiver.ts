import type { KafkaSaslSettings, KafkaTlsSettings } from "../drivers/kafka/settings.ts";
import type { KafkaEncoding, KafkaReceiverSettings } from "../receivers/kafka/settings.ts";
import { isPattern, patternError } from "../receivers/kafka/topics.ts";
import type { ConfigValues } from "./config-values.ts";
import { KAFKA_ENCODINGS, KAFKA_SASL } from "./keys/distributor.ts";
import { tlsVersion } from "./tls-version.ts";
import type { YamlNode } from "./yaml-tree.ts";

/**
 * One Kafka receiver's settings. `report` is told what is wrong with them, beginning with the key.
 * `node` is the block itself: an empty `tls` in it asks for TLS.
 */
export function kafkaReceiver(
  name: string,
  values: ConfigValues,
  node: YamlNode,
  report: (problem: string) => void,
): KafkaReceiverSettings {
  const autocommit = values.bool("autocommit.enable");
  const topics = topicNames(values);
  if (topics.length === 0) report("traces.topics names no topic");
  for (const pattern of [...topics.filter(isPattern), ...values.list("traces.exclude_topics")]) {
    const error = patternError(pattern);
    if (error !== undefined) report(`traces: ${error}`);
  }
  const encoding = values.text(values.isSet("encoding") ? "encoding" : "traces.encoding");
  const settings: KafkaReceiverSettings = {
    name,
    client: {
      brokers: brokers(values, report),
      clientId: values.text("client_id"),
      groupId: values.text("group_id"),
      sessionTimeoutMs: values.durationMs("session_timeout"),
      heartbeatIntervalMs: values.durationMs("heartbeat_interval"),
      assignor:
        values.text("group_rebalance_strategy") === "roundrobin"
          ? "roundrobin"
          : "cooperative-sticky",
      sasl: sasl(values, report),
      tls: tls(values, node, report),
    },
    topics,
    excludeTopics: values.list("traces.exclude_topics"),
    encoding: KAFKA_ENCODINGS.find((each) => each === encoding) ?? DEFAULT_ENCODING,
    initialOffset: values.text("initial_offset") === "earliest" ? "earliest" : "latest",
    minFetchBytes: values.number("min_fetch_size"),
    maxFetchBytes: values.number("max_fetch_size"),
    maxFetchWaitMs: values.durationMs("max_fetch_wait"),
    commitIntervalMs: autocommit ? values.durationMs("autocommit.interval") : 0,
  };
  const { clientId, groupId, sessionTimeoutMs, heartbeatIntervalMs } = settings.client;
  if (clientId === "" || groupId === "") report("client_id and group_id must not be empty");
  if (heartbeatIntervalMs === 0 || heartbeatIntervalMs >= sessionTimeoutMs) {
    report("heartbeat_interval must be greater than 0 and less than session_timeout");
  }
  if (settings.maxFetchBytes === 0) report("max_fetch_size must be greater than 0");
  if (settings.maxFetchWaitMs > MAX_FETCH_WAIT_MS) report("max_fetch_wait must not exceed 10s");
  return settings;
}

const DEFAULT_ENCODING: KafkaEncoding = "otlp_proto";
/** A broker that is silent for longer is taken to be gone. */
const MAX_FETCH_WAIT_MS = 10_000;

function topicNames(values: ConfigValues): readonly string[] {
  if (values.isSet("traces.topics")) return values.list("traces.topics").filter((t) => t !== "");
  const older = values.text("traces.topic") || values.text("topic");
  return older === "" ? values.list("traces.topics") : [older];
}

function brokers(values: ConfigValues, report: (problem: string) => void): readonly string[] {
  const given = values.list("brokers").filter((broker) => broker !== "");
  if (given.length === 0) report("brokers names no broker");
  for (const broker of given) {
    const match = /^[^:[\]/\s]+:(\d{1,5})$/.exec(broker);
    if (match === null || Number(match[1]) > 65535) {
      report(`brokers: "${broker}" is not of the form host:port`);
    }
  }
  return given;
}

function sasl(
  values: ConfigValues,
  report: (problem: string) => void,
): KafkaSaslSettings | undefined {
  if (values.hasAny("auth.plain_text")) {
    const text = (key: string) => values.text(`auth.plain_text.${key}`);
    if (text("username") === "") report("auth.plain_text needs a username");
    return { mechanism: "PLAIN", username: text("username"), password: text("password") };
  }
  if (!values.hasAny("auth.sasl")) return undefined;
  const text = (key: string) => values.text(`auth.sasl.${key}`);
  const mechanism = KAFKA_SASL.find((each) => each === text("mechanism"));
  if (mechanism === undefined || text("username") === "") {
    report("auth.sasl needs a mechanism and a username");
    return undefined;
  }
  return { mechanism, username: text("username"), password: text("password") };
}

function tls(
  values: ConfigValues,
  node: YamlNode,
  report: (problem: string) => void,
): KafkaTlsSettings | undefined {
  // `auth.tls` is the older place.
  const at = ["tls", "auth.tls"].find((path) => isBlock(node, path.split(".")));
  if (at === undefined || values.bool(`${at}.insecure`)) return undefined;
  const text = (key: string) => values.text(`${at}.${key}`);
  if ((text("cert_file") === "") !== (text("key_file") === "")) {
    report(`${at} needs both cert_file and key_file, or neither`);
  }
  return {
    caFile: text("ca_file"),
    certFile: text("cert_file"),
    keyFile: text("key_file"),
    insecureSkipVerify: values.bool(`${at}.insecure_skip_verify`),
    serverName: text("server_name_override"),
    minVersion: tlsVersion(text("min_version")),
    maxVersion: tlsVersion(text("max_version")),
  };
}

function isBlock(node: YamlNode, path: readonly string[]): boolean {
  let found: YamlNode | undefined = node;
  for (const part of path)
    found = found?.kind === "map" ? found.entries.get(part)?.value : undefined;
  return found?.kind === "map";
}
