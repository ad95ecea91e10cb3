import { expect, test } from "vitest";
import { maskSecrets } from "../../src/config/mask.ts";
import { LOCAL, load, loadError } from "./support.ts";

const withReceivers = (yaml: string) => `${LOCAL}distributor:\n  receivers: ${yaml}\n`;
const kafka = (yaml: string) => load(withReceivers(yaml)).settings.kafka;

const DEFAULTS = {
  name: "kafka",
  client: {
    brokers: ["localhost:9092"],
    clientId: "otel-collector",
    groupId: "otel-collector",
    sessionTimeoutMs: 10_000,
    heartbeatIntervalMs: 3000,
    assignor: "cooperative-sticky",
    sasl: undefined,
    tls: undefined,
  },
  topics: ["otlp_spans"],
  excludeTopics: [],
  encoding: "otlp_proto",
  initialOffset: "latest",
  minFetchBytes: 1,
  maxFetchBytes: 1_048_576,
  maxFetchWaitMs: 250,
  commitIntervalMs: 1000,
};

test("a receiver without keys has the defaults of the Collector", () => {
  expect(kafka("{ kafka: }")).toEqual([DEFAULTS]);
  expect(kafka("{ otlp: { protocols: { grpc: } } }")).toEqual([]);
});

test("all keys arrive", () => {
  const { settings, warnings } = load(
    withReceivers(`
    kafka/jaeger:
      brokers: ["a:1", "b:2"]
      protocol_version: 3.9.0
      client_id: c
      group_id: g
      traces: { topics: ["^j-.*", t], exclude_topics: ["x$"], encoding: jaeger_json }
      initial_offset: earliest
      session_timeout: 20s
      heartbeat_interval: 2s
      group_rebalance_strategy: roundrobin
      min_fetch_size: 2
      max_fetch_size: 3
      max_fetch_wait: 4s
      autocommit: { enable: false, interval: 9s }
      message_marking: { after: true, on_error: true }
      auth: { sasl: { mechanism: SCRAM-SHA-512, username: u, password: p } }
      tls: { ca_file: a, cert_file: c, key_file: k, server_name_override: s, min_version: "1.3" }`),
  );
  expect(warnings).toEqual([]);
  expect(settings.kafka).toEqual([
    {
      name: "kafka/jaeger",
      client: {
        brokers: ["a:1", "b:2"],
        clientId: "c",
        groupId: "g",
        sessionTimeoutMs: 20_000,
        heartbeatIntervalMs: 2000,
        assignor: "roundrobin",
        sasl: { mechanism: "SCRAM-SHA-512", username: "u", password: "p" },
        tls: {
          caFile: "a",
          certFile: "c",
          keyFile: "k",
          insecureSkipVerify: false,
          serverName: "s",
          minVersion: "TLSv1.3",
          maxVersion: undefined,
        },
      },
      topics: ["^j-.*", "t"],
      excludeTopics: ["x$"],
      encoding: "jaeger_json",
      initialOffset: "earliest",
      minFetchBytes: 2,
      maxFetchBytes: 3,
      maxFetchWaitMs: 4000,
      commitIntervalMs: 0,
    },
  ]);
});

test("each name is a consumer of its own", () => {
  const found = kafka(
    "{ kafka/a: { traces: { topics: [a] } }, kafka/b: { traces: { topics: b } } }",
  );
  expect(found.map(({ name, topics }) => [name, topics])).toEqual([
    ["kafka/a", ["a"]],
    ["kafka/b", ["b"]],
  ]);
});

test("the older names of topic and encoding count where the new ones are not given", () => {
  expect(kafka("{ kafka: { topic: t, encoding: zipkin_json } }")).toMatchObject([
    { topics: ["t"], encoding: "zipkin_json" },
  ]);
  expect(kafka("{ kafka: { traces: { topic: t } } }")).toMatchObject([{ topics: ["t"] }]);
  expect(kafka("{ kafka: { topic: old, traces: { topics: [new] } } }")).toMatchObject([
    { topics: ["new"] },
  ]);
});

test.each([
  ["{ tls: {} }", true],
  ["{ tls: { insecure_skip_verify: true } }", true],
  ["{ auth: { tls: { ca_file: a } } }", true],
  ["{ tls: { insecure: true } }", false],
  ["{ tls: }", false],
])("the block %s means TLS: %s", (yaml, on) => {
  expect(kafka(`{ kafka: ${yaml} }`)[0]!.client.tls !== undefined).toBe(on);
});

test("user and password of plain text are SASL PLAIN", () => {
  const [settings] = kafka("{ kafka: { auth: { plain_text: { username: u, password: p } } } }");
  expect(settings!.client.sasl).toEqual({ mechanism: "PLAIN", username: "u", password: "p" });
});

test("passwords are not shown", () => {
  const { effective } = load(
    withReceivers(
      "{ kafka: { auth: { sasl: { mechanism: PLAIN, username: u, password: hush-1 }, plain_text: { username: u, password: hush-2 } } } }",
    ),
  );
  expect(JSON.stringify(maskSecrets(effective))).not.toContain("hush");
});

test.each([
  ["{ brokers: [] }", "kafka.brokers names no broker"],
  ["{ brokers: [b] }", 'kafka.brokers: "b" is not of the form host:port'],
  ["{ brokers: ['b:70000'] }", '"b:70000" is not of the form host:port'],
  ["{ traces: { topics: [] } }", "kafka.traces.topics names no topic"],
  ["{ traces: { topics: ['^('] } }", "kafka.traces: Invalid regular expression"],
  ["{ traces: { exclude_topics: ['('] } }", "kafka.traces: Invalid regular expression"],
  ["{ traces: { encoding: text } }", '`text` is not one of "otlp_proto"'],
  ["{ initial_offset: middle }", "`middle` is not one of"],
  ["{ group_rebalance_strategy: range }", "`range` is not one of"],
  ["{ group_id: '' }", "client_id and group_id must not be empty"],
  ["{ heartbeat_interval: 10s }", "heartbeat_interval must be greater than 0 and less than"],
  ["{ max_fetch_wait: 11s }", "max_fetch_wait must not exceed 10s"],
  ["{ max_fetch_size: 0 }", "max_fetch_size must be greater than 0"],
  ["{ auth: { sasl: { username: u } } }", "auth.sasl needs a mechanism and a username"],
  ["{ auth: { sasl: { mechanism: OAUTHBEARER } } }", "`OAUTHBEARER` is not one of"],
  ["{ auth: { kerberos: { realm: r } } }", "auth.kerberos is not supported"],
  ["{ tls: { cert_file: c } }", "tls needs both cert_file and key_file, or neither"],
  ["{ tls: { ca_pem: c } }", "tls.ca_pem is not supported"],
  ["{ broker: x }", "field broker not found"],
])("%s refuses to start", (yaml, problem) => {
  const text = loadError(withReceivers(`{ kafka: ${yaml} }`));
  expect(text).toContain("distributor.receivers.kafka");
  expect(text).toContain(problem);
});
