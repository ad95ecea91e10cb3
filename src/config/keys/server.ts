import { ignored, type KeySpec, key, prefixed, refused, warned } from "../key-spec.ts";

const tls = (name: string, door: string): KeySpec[] =>
  prefixed(name, [
    key(
      "cert_file",
      "string",
      "",
      `Certificate of the ${door} port; TLS is on when both files are given.`,
    ),
    key("key_file", "string", "", `Private key of the ${door} port.`),
    key(
      "client_ca_file",
      "string",
      "",
      "Authorities that client certificates are checked against.",
    ),
    key("client_auth_type", "string", "", "What is asked of client certificates.", {
      oneOf: [
        "",
        "NoClientCert",
        "RequestClientCert",
        "RequireAnyClientCert",
        "VerifyClientCertIfGiven",
        "RequireAndVerifyClientCert",
      ],
    }),
    ...refused("cert= key= client_ca=", "Give the file instead: inline certificates are not read."),
  ]);

/** `server`: the two ports of the query API. */
export const serverKeys: readonly KeySpec[] = prefixed("server", [
  key(
    "http_listen_address",
    "string",
    "",
    "Address of the HTTP port; empty = all interfaces, `localhost` without a file.",
  ),
  key("http_listen_port", "int", 3200, "HTTP port of the query API, `/ready` and `/metrics`.", {
    max: 65535,
  }),
  key(
    "grpc_listen_address",
    "string",
    "",
    "Address of the gRPC port; empty = all interfaces, `localhost` without a file.",
  ),
  key("grpc_listen_port", "int", 9095, "gRPC port of the streaming query API.", { max: 65535 }),
  key("http_listen_conn_limit", "int", 0, "Open connections of the HTTP port; 0 = unlimited."),
  key("http_path_prefix", "string", "", "Prefix of all routes, also of `/ready` and `/metrics`."),
  key("http_server_read_timeout", "goDuration", "30s", "Time to read one request."),
  key(
    "http_server_write_timeout",
    "goDuration",
    "30s",
    "Time from a request's head to the end of its answer.",
  ),
  key("http_server_idle_timeout", "goDuration", "2m", "Time an idle connection is kept."),
  key(
    "http_server_read_header_timeout",
    "goDuration",
    "0",
    "Time to read one request's head; 0 = off.",
  ),
  key("graceful_shutdown_timeout", "goDuration", "30s", "Time that open requests get at shutdown."),
  key("register_instrumentation", "bool", true, "`false` removes `/metrics`."),
  ...tls("http_tls_config", "HTTP"),
  ...tls("grpc_tls_config", "gRPC"),
  key("tls_min_version", "string", "", "Lowest TLS version of both ports.", {
    oneOf: ["", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"],
  }),
  key("grpc_server_max_recv_msg_size", "int", 16777216, "Bytes of one received gRPC message."),
  key("grpc_server_max_send_msg_size", "int", 16777216, "Bytes of one sent gRPC message."),
  key("grpc_server_max_concurrent_streams", "int", 100, "Parallel gRPC calls of one connection."),
  key("log_level", "string", "info", "`debug`, `info`, `warn` or `error`.", {
    oneOf: ["debug", "info", "warn", "error"],
  }),
  key("log_format", "string", "logfmt", "`logfmt` or `json`.", { oneOf: ["logfmt", "json"] }),
  ...warned(`http_listen_network=tcp grpc_listen_network=tcp grpc_listen_conn_limit=0
    tls_cipher_suites= proxy_protocol_enabled=false`),
  ...ignored(`grpc_server_min_time_between_pings=10s grpc_server_ping_without_stream_allowed=true
    grpc_server_max_connection_idle grpc_server_max_connection_age
    grpc_server_max_connection_age_grace grpc_server_keepalive_time=2h
    grpc_server_keepalive_timeout=20s grpc_server_num_workers=0
    grpc_server_read_buffer_size=32768 grpc_server_write_buffer_size=32768
    grpc_server_stats_tracking_enabled=true grpc_server_recv_buffer_pools_enabled=false
    grpc_collect_max_streams_by_conn=true log_source_ips_enabled=false log_source_ips_full=false
    log_source_ips_header log_source_ips_regex log_request_headers=false
    log_request_exclude_headers_list log_request_at_info_level_enabled=false
    http_log_closed_connections_without_response_enabled=false
    report_grpc_codes_in_instrumentation_label_enabled=false trace_request_headers=false
    trace_request_exclude_headers_list create_new_traces=false
    cluster_validation.grpc.* cluster_validation.http.* cluster_validation.*`),
  ...warned("cluster_validation.grpc.enabled=false cluster_validation.http.enabled=false"),
]);

/** `internal_server` has the fields of `server`, and only switching it on means anything. */
export const internalServerKeys: readonly KeySpec[] = prefixed("internal_server", [
  ...warned("enable=false", "A second port for `/ready` and `/metrics`."),
  ...serverKeys.map((spec) => ({
    ...spec,
    path: spec.path.slice("server.".length),
    type: "any" as const,
    treatment: "ignored" as const,
    default: undefined,
    doc: "",
    oneOf: undefined,
  })),
]);
