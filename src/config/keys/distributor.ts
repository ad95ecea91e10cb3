import { ignored, type KeySpec, key, prefixed, refused, warned } from "../key-spec.ts";

/** `distributor`; what stands under `receivers` has its own tables. */
export const distributorKeys: readonly KeySpec[] = prefixed("distributor", [
  key(
    "receivers",
    "any",
    undefined,
    "The doors for spans; without this key all but the UDP ones are open on localhost.",
  ),
  key(
    "retry_after_on_resource_exhausted",
    "goDuration",
    "5s",
    "Retry hint of a refused push; 0 = none.",
  ),
  key("max_attribute_bytes", "int", 2048, "Longer attribute keys and values are cut; 0 = off."),
  key("max_span_attr_byte", "int", 2048, "Older name of `max_attribute_bytes`.", {
    treatment: "mapped",
  }),
  ...warned(`forwarders log_received_spans.enabled=false log_received_spans.include_all_attributes=false
    log_received_spans.filter_by_status_error=false log_discarded_spans.enabled=false
    log_discarded_spans.include_all_attributes=false log_discarded_spans.filter_by_status_error=false
    metric_received_spans.enabled=false metric_received_spans.root_only=false`),
  ...warned(
    "usage.cost_attribution.enabled=false usage.cost_attribution.max_cardinality=10000 usage.cost_attribution.stale_duration=15m",
    "`/usage_metrics`.",
    "distributor.usage.cost_attribution",
  ),
  ...refused(
    "ingester_write_path_enabled=true",
    "Spans have no other way in than the one this switches off.",
  ),
  ...ignored(`artificial_delay=0 extend_writes=true kafka_write_path_enabled=false kafka_config
    ring override_ring_key`),
]);

const serverTls: readonly KeySpec[] = prefixed("tls", [
  key("cert_file", "string", "", "Certificate; TLS is on when this and `key_file` are given."),
  key("key_file", "string", "", "Private key."),
  key("client_ca_file", "string", "", "Clients must show a certificate of these authorities."),
  key("min_version", "string", "", "Lowest TLS version.", {
    oneOf: ["", "1.0", "1.1", "1.2", "1.3"],
  }),
  key("max_version", "string", "", "Highest TLS version.", {
    oneOf: ["", "1.0", "1.1", "1.2", "1.3"],
  }),
  ...refused(
    "cert_pem= key_pem= ca_pem= cipher_suites curve_preferences tpm",
    "Not supported for a receiver.",
  ),
  ...warned("reload_interval=0 client_ca_file_reload=false"),
  ...ignored("ca_file include_system_ca_certs_pool"),
]);

const grpcServer: readonly KeySpec[] = [
  key("endpoint", "string", undefined, "`host:port`, or a path with `transport: unix`."),
  key("transport", "string", "tcp", "`tcp` or `unix`.", { oneOf: ["tcp", "tcp4", "tcp6", "unix"] }),
  ...serverTls,
  key("max_recv_msg_size_mib", "int", 0, "MiB of one message; 0 = 4.", { max: 2048 }),
  key(
    "max_concurrent_streams",
    "int",
    0,
    "Parallel calls of one connection; 0 = no limit of its own.",
  ),
  ...ignored(`read_buffer_size write_buffer_size include_metadata
    keepalive.server_parameters.max_connection_idle keepalive.server_parameters.max_connection_age
    keepalive.server_parameters.max_connection_age_grace keepalive.server_parameters.time
    keepalive.server_parameters.timeout keepalive.enforcement_policy.min_time
    keepalive.enforcement_policy.permit_without_stream`),
  ...refused("auth middlewares", "Ignoring it would open the door to everybody."),
];

const httpServer: readonly KeySpec[] = [
  key("endpoint", "string", undefined, "`host:port`."),
  ...serverTls,
  key(
    "max_request_body_size",
    "int",
    20971520,
    "Bytes of one body, compressed and again decompressed.",
  ),
  key("cors.allowed_origins", "list", [], "Origins of browsers that may send; empty = CORS off."),
  key("cors.allowed_headers", "list", [], "Request headers that browsers may send."),
  key("cors.max_age", "int", 0, "Seconds that a browser may keep the answer of a preflight."),
  ...ignored(`transport compression_algorithms response_headers read_timeout read_header_timeout
    write_timeout idle_timeout keep_alives_enabled include_metadata cors.exposed_headers`),
  ...refused("auth middlewares", "Ignoring it would open the door to everybody."),
];

const udp: readonly KeySpec[] = [
  key("endpoint", "string", undefined, "`host:port`."),
  key("queue_size", "int", 1000, "Datagrams that may wait to be stored; further ones are dropped."),
  key("max_packet_size", "int", 65000, "Bytes of one datagram; what is longer is dropped.", {
    max: 65535,
  }),
  key("socket_buffer_size", "int", 0, "Bytes of the receive buffer; 0 = the system's default."),
  ...ignored("workers=10"),
];

/** Relative to `distributor.receivers.otlp`. */
export const otlpReceiverKeys: readonly KeySpec[] = [
  ...prefixed("protocols.grpc", grpcServer),
  ...prefixed("protocols.http", [
    ...httpServer,
    key("traces_url_path", "string", "/v1/traces", "Path of the OTLP/HTTP route."),
    ...ignored("metrics_url_path logs_url_path profiles_url_path"),
  ]),
];

/** Relative to `distributor.receivers.jaeger`. */
export const jaegerReceiverKeys: readonly KeySpec[] = [
  ...prefixed("protocols.grpc", grpcServer),
  ...prefixed("protocols.thrift_http", httpServer),
  ...prefixed("protocols.thrift_compact", udp),
  ...prefixed("protocols.thrift_binary", udp),
  ...warned("remote_sampling"),
];

/** Relative to `distributor.receivers.zipkin`. */
export const zipkinReceiverKeys: readonly KeySpec[] = [
  ...httpServer,
  key("parse_string_tags", "bool", false, "Whether tags that look like numbers become numbers."),
];

export const KAFKA_ENCODINGS = [
  "otlp_proto",
  "otlp_json",
  "jaeger_proto",
  "jaeger_json",
  "zipkin_proto",
  "zipkin_json",
  "zipkin_thrift",
] as const;

export const KAFKA_SASL = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] as const;

const kafkaTls: readonly KeySpec[] = [
  key("insecure", "bool", false, "Whether the block asks for plain text after all."),
  key("insecure_skip_verify", "bool", false, "Whether any certificate of a broker will do."),
  key("ca_file", "string", "", "Authorities of the brokers; without it the system's."),
  key("cert_file", "string", "", "Client certificate, with `key_file`."),
  key("key_file", "string", "", "Its private key."),
  key("server_name_override", "string", "", "Name that the brokers' certificates must have."),
  key("min_version", "string", "", "Lowest TLS version.", {
    oneOf: ["", "1.0", "1.1", "1.2", "1.3"],
  }),
  key("max_version", "string", "", "Highest TLS version.", {
    oneOf: ["", "1.0", "1.1", "1.2", "1.3"],
  }),
  ...refused("ca_pem= cert_pem= key_pem= cipher_suites curve_preferences tpm", "Not supported."),
  ...warned("reload_interval=0"),
  ...ignored("include_system_ca_certs_pool"),
];

const NO_CONSUMER = "Not supported by this consumer.";

/** Relative to `distributor.receivers.kafka`. */
export const kafkaReceiverKeys: readonly KeySpec[] = [
  key("brokers", "list", ["localhost:9092"], "Brokers to ask first, `host:port` each."),
  key("traces.topics", "list", ["otlp_spans"], "Topics; what begins with `^` is a pattern."),
  key("traces.exclude_topics", "list", [], "Patterns for topics that patterns do not take."),
  key("traces.encoding", "string", "otlp_proto", "How a record is laid out.", {
    oneOf: KAFKA_ENCODINGS,
  }),
  key("traces.topic", "string", "", "Older name of `traces.topics`, for one topic.", {
    treatment: "mapped",
  }),
  key("topic", "string", "", "Older name of `traces.topics`, for one topic.", {
    treatment: "mapped",
  }),
  key("encoding", "string", "", "Older name of `traces.encoding`.", {
    treatment: "mapped",
    oneOf: ["", ...KAFKA_ENCODINGS],
  }),
  key("group_id", "string", "otel-collector", "Consumer group."),
  key("client_id", "string", "otel-collector", "Name of this client in the brokers' logs."),
  key("initial_offset", "string", "latest", "Where to begin without a committed offset.", {
    oneOf: ["latest", "earliest"],
  }),
  key("session_timeout", "goDuration", "10s", "A silent member is out of the group after this."),
  key("heartbeat_interval", "goDuration", "3s", "Time between two signs of life."),
  key(
    "group_rebalance_strategy",
    "string",
    "cooperative-sticky",
    "How partitions are shared out; the same for all members of a group.",
    { oneOf: ["cooperative-sticky", "roundrobin"] },
  ),
  key("min_fetch_size", "int", 1, "Bytes that a broker waits for, `max_fetch_wait` at most."),
  key("max_fetch_size", "int", 1048576, "Bytes of one answer; a larger batch comes whole.", {
    max: 64 * 1024 * 1024,
  }),
  key("max_fetch_wait", "goDuration", "250ms", "How long a broker waits for records."),
  key(
    "autocommit.enable",
    "bool",
    true,
    "Whether offsets are committed by `interval`, or else at once; only of what is stored.",
  ),
  key("autocommit.interval", "goDuration", "1s", "Time between two commits."),
  ...prefixed("auth", [
    key("sasl.username", "string", "", "User of SASL."),
    key("sasl.password", "string", "", "Its password."),
    key("sasl.mechanism", "string", "", "Mechanism of SASL.", { oneOf: ["", ...KAFKA_SASL] }),
    key("plain_text.username", "string", "", "User of SASL PLAIN."),
    key("plain_text.password", "string", "", "Its password."),
    ...ignored("sasl.version"),
    ...refused("kerberos sasl.aws_msk sasl.oauthbearer_token_source", NO_CONSUMER),
  ]),
  ...["tls", "auth.tls"].flatMap((at) => prefixed(at, kafkaTls)),
  ...warned("header_extraction logs metrics profiles"),
  ...refused("use_leader_epoch=true rack_id= group_instance_id=", NO_CONSUMER),
  // Offsets are committed after storing in any case, and an error of a record's own content skips it.
  ...ignored(`protocol_version message_marking.after message_marking.on_error
    message_marking.on_permanent_error error_backoff metadata default_fetch_size
    max_partition_fetch_size resolve_canonical_bootstrap_servers_only conn_idle_timeout telemetry`),
];
