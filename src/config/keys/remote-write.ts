import { ignored, type KeySpec, key, prefixed, refused, warned } from "../key-spec.ts";

/** One entry of `metrics_generator.storage.remote_write`. */
export const remoteWriteKeys: readonly KeySpec[] = [
  key("url", "string", "", "`http` or `https`; required."),
  key("name", "string", "", "In metrics and logs; each once."),
  key("remote_timeout", "promDuration", "30s", "How long one request may take."),
  key("headers", "map", undefined, "Headers of all requests."),
  key(
    "http_headers",
    "any",
    undefined,
    "By name `{values, secrets, files}`; the files are read at the start.",
  ),
  ...prefixed("basic_auth", [
    key("username", "string", "", "User."),
    key("username_file", "string", "", "File with the user, read at the start."),
    key("password", "string", "", "Password."),
    key("password_file", "string", "", "File with the password, read for each request."),
  ]),
  ...prefixed("authorization", [
    key("type", "string", "Bearer", "What comes before the credentials."),
    key("credentials", "string", "", "Credentials."),
    key("credentials_file", "string", "", "File with the credentials, read for each request."),
  ]),
  key("bearer_token", "string", "", "Like `authorization.credentials`."),
  key("bearer_token_file", "string", "", "Like `authorization.credentials_file`."),
  ...prefixed("tls_config", [
    key("ca_file", "string", "", "Authorities that the endpoint's certificate may be of."),
    key("cert_file", "string", "", "Certificate that is shown to the endpoint."),
    key("key_file", "string", "", "Its private key."),
    key("server_name", "string", "", "Name that the endpoint's certificate must have."),
    key("insecure_skip_verify", "bool", false, "Any certificate is good."),
    ...refused("ca= cert= key=", "Give the name of a file instead."),
    ...refused("min_version=TLS12 max_version=TLS13", "It is TLS 1.2 or 1.3."),
  ]),
  ...prefixed("queue_config", [
    key(
      "capacity",
      "int",
      10000,
      "Samples that wait, times `max_shards`; beyond that the oldest are dropped.",
      { max: 10_000_000 },
    ),
    key("max_shards", "int", 50, "Requests under way at a time.", { max: 1000 }),
    key("max_samples_per_send", "int", 2000, "Samples of one request.", { max: 1_000_000 }),
    key("min_backoff", "promDuration", "30ms", "Shortest wait before a request is sent again."),
    key("max_backoff", "promDuration", "5s", "Longest wait before a request is sent again."),
    key("retry_on_http_429", "bool", false, "Whether a request is sent again after 429."),
    ...ignored("min_shards=1 batch_send_deadline=5s"),
    ...warned("sample_age_limit=0"),
  ]),
  ...refused("oauth2 sigv4 azuread google_iam", "Samples would be sent without these credentials."),
  ...refused(
    "proxy_url= proxy_from_environment=false proxy_connect_header",
    "Samples would not pass the proxy.",
  ),
  ...refused("write_relabel_configs", "Other series would be sent than the rules say."),
  ...ignored(`no_proxy send_exemplars send_native_histograms metadata_config round_robin_dns
    protobuf_message follow_redirects=true enable_http2`),
];
