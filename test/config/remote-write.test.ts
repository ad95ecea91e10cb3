import { expect, test } from "vitest";
import { renderConfig } from "../../src/config/render.ts";
import type { RemoteWriteSettings } from "../../src/drivers/remote-write/settings.ts";
import { type Files, LOCAL, load, loadError } from "./support.ts";

const file = (list: string, path = "/p") =>
  `${LOCAL}metrics_generator: { storage: { path: "${path}", remote_write: ${list} } }\n`;
const URL_KEY = "url: http://prom:9090/api/v1/write";

function read(keys: string, files: Files = {}): RemoteWriteSettings {
  const { settings, warnings } = load(file(`[{ ${URL_KEY}, ${keys} }]`), { files });
  expect(warnings).toEqual([]);
  return settings.generator!.remoteWrite[0]!;
}

test("an endpoint with a URL only has Prometheus' defaults", () => {
  expect(read("")).toEqual({
    url: "http://prom:9090/api/v1/write",
    name: "",
    timeoutMs: 30_000,
    headers: {},
    auth: undefined,
    tls: undefined,
    queue: {
      maxSamples: 500_000,
      maxShards: 50,
      maxSamplesPerSend: 2000,
      minBackoffMs: 30,
      maxBackoffMs: 5000,
      retryOnRateLimit: false,
    },
  });
});

test("all keys arrive", () => {
  const { settings, warnings } = load(
    file(`[{
      url: "https://prom/api/v1/push", name: far, remote_timeout: 1m, headers: { X-A: a },
      http_headers: { X-B: { values: [b, c], secrets: [d], files: [/h] } },
      basic_auth: { username: u, password: p },
      tls_config: { ca_file: ca, cert_file: c, key_file: k, server_name: s, insecure_skip_verify: true, min_version: TLS12 },
      queue_config: { capacity: 10, max_shards: 2, min_shards: 2, max_samples_per_send: 3, batch_send_deadline: 1s, min_backoff: 1s, max_backoff: 2s, retry_on_http_429: true },
      send_exemplars: true, send_native_histograms: true, metadata_config: { send: false },
      protobuf_message: prometheus.WriteRequest, follow_redirects: true, enable_http2: true,
      write_relabel_configs: [], proxy_from_environment: false, no_proxy: x }]`),
    { files: { "/h": "e\n" } },
  );
  expect(warnings).toEqual([]);
  expect(settings.generator?.remoteWrite).toEqual([
    {
      url: "https://prom/api/v1/push",
      name: "far",
      timeoutMs: 60_000,
      headers: { "X-A": "a", "X-B": "b, c, d, e" },
      auth: { type: "basic", username: "u", password: { type: "text", text: "p" } },
      tls: {
        caFile: "ca",
        certFile: "c",
        keyFile: "k",
        serverName: "s",
        insecureSkipVerify: true,
      },
      queue: {
        maxSamples: 20,
        maxShards: 2,
        maxSamplesPerSend: 3,
        minBackoffMs: 1000,
        maxBackoffMs: 2000,
        retryOnRateLimit: true,
      },
    },
  ]);
});

test.each([
  [
    "basic_auth: { username_file: /u, password_file: /pw }",
    { type: "basic", username: "u", password: { type: "file", path: "/pw" } },
  ],
  [
    "basic_auth: { username: u }",
    { type: "basic", username: "u", password: { type: "text", text: "" } },
  ],
  [
    "authorization: { credentials: c }",
    { type: "header", scheme: "Bearer", credentials: { type: "text", text: "c" } },
  ],
  [
    "authorization: { type: Token, credentials_file: /c }",
    { type: "header", scheme: "Token", credentials: { type: "file", path: "/c" } },
  ],
  [
    "bearer_token: t",
    { type: "header", scheme: "Bearer", credentials: { type: "text", text: "t" } },
  ],
  [
    "bearer_token_file: /t",
    { type: "header", scheme: "Bearer", credentials: { type: "file", path: "/t" } },
  ],
])("%s is how a request is authorized", (keys, auth) => {
  expect(read(keys, { "/u": "u\n" }).auth).toEqual(auth);
});

test("a user in the URL is basic authorization, unless there is another", () => {
  const of = (keys: string) => load(file(`[{ ${keys} }]`)).settings.generator!.remoteWrite[0]!;
  expect(of('url: "http://u:p%40q@h/x"')).toMatchObject({
    url: "http://h/x",
    auth: { type: "basic", username: "u", password: { type: "text", text: "p@q" } },
  });
  expect(of('url: "http://u:p@h/x", bearer_token: t')).toMatchObject({
    url: "http://h/x",
    auth: { type: "header", scheme: "Bearer" },
  });
});

test("the longest wait is not less than the shortest", () => {
  expect(read("queue_config: { min_backoff: 10s }").queue.maxBackoffMs).toBe(10_000);
});

test("keys without effect are named once", () => {
  const one = `${URL_KEY}, queue_config: { sample_age_limit: 1h }`;
  const { warnings } = load(file(`[{ ${one} }, { ${one}, name: b }]`));
  expect(warnings).toEqual([
    "accepted but without effect: metrics_generator.storage.remote_write.queue_config.sample_age_limit",
  ]);
});

test("endpoints of one URL with different keys are different", () => {
  const list = `[{ ${URL_KEY} }, { ${URL_KEY}, remote_timeout: 1s }]`;
  expect(load(file(list)).settings.generator?.remoteWrite).toHaveLength(2);
});

test("a generator that is off does not look at them", () => {
  expect(load(file("[{ url: x, sigv4: { region: r } }]", "")).settings.generator).toBeUndefined();
});

const one = (keys: string) => `[{ ${URL_KEY}, ${keys} }]`;

test.each([
  ["x", "remote_write must be a list"],
  [`[${"{},".repeat(101)}]`, "remote_write has 101 endpoints, the limit is 100"],
  ["[x]", "cannot unmarshal"],
  ["[{}]", "remote_write[0].url is missing"],
  ["[{ url: 'prom:9090/hush' }]", "remote_write[0].url must be a URL of http or https"],
  ["[{ url: '//hush' }]", "remote_write[0].url must be a URL of http or https"],
  ["[{ url: 'ftp://h/hush' }]", "must be a URL of http or https"],
  ["[{ url: 'http://u:%ff@hush/x' }]", "has a user or password that is not escaped"],
  [`[{ ${URL_KEY} }, { ${URL_KEY} }]`, "remote_write[1] is there twice"],
  [`[{ ${URL_KEY}, name: a }, { url: 'http://b', name: a }]`, "remote_write[1] is there twice"],
  [one("urls: x"), "field urls not found in type metrics_generator.storage.remote_write[0]"],
  [one("remote_timeout: 0"), "remote_write[0].remote_timeout must be greater than 0"],
  [one("remote_timeout: 5"), "not a valid duration"],
  [one("headers: { 'x y': z }"), "remote_write[0].headers: x y is no name of a header"],
  [one('headers: { x: "hush\\n" }'), "headers: x has a value that cannot be sent"],
  [one(`headers: { x: ${"y".repeat(20_000)} }`), "x has 20000 characters, the limit is 16384"],
  [one("headers: { Host: h }"), "headers: Host cannot be set"],
  [one("headers: { X: y }, http_headers: { x: { values: [y] } }"), "headers: x is there twice"],
  [one("http_headers: [a]"), "remote_write[0].http_headers must be a map of 100 headers"],
  [one("http_headers: { x: { value: y } }"), "field value not found in type"],
  [one("http_headers: { x: { files: [/none] } }"), "http_headers.x: open /none: no such file"],
  [one("basic_auth: { username_file: /none }"), "basic_auth.username_file: open /none"],
  [one("basic_auth: { username: 'a:b' }"), "basic_auth.username must not have a colon"],
  [
    one("basic_auth: { username: u, password: hush, password_file: f }"),
    "has basic_auth.password and basic_auth.password_file: give one of them",
  ],
  [
    one("basic_auth: { username: u }, bearer_token: hush"),
    "has basic_auth and bearer_token: give one of them",
  ],
  [one("bearer_token: hush, bearer_token_file: f"), "give one of them"],
  [one("authorization: { type: X }"), "needs authorization.credentials or"],
  [one("authorization: { type: basic, credentials: hush }"), "that is basic_auth"],
  [one("authorization: { type: 'a b', credentials: hush }"), "must be one word"],
  [one("tls_config: { cert_file: c }"), "tls_config needs both cert_file and key_file, or neither"],
  [one("tls_config: { key: hush }"), "tls_config.key is not supported: give the name of a file"],
  [one("tls_config: { min_version: TLS13 }"), "tls_config.min_version is not supported"],
  [one("queue_config: { capacity: 0 }"), "queue_config.capacity must be greater than 0"],
  [one("queue_config: { max_shards: 0 }"), "queue_config.max_shards must be greater than 0"],
  [one("queue_config: { max_shards: 1001 }"), "1001 is not between 0 and 1000"],
  [one("queue_config: { max_samples_per_send: 0 }"), "max_samples_per_send must be greater than 0"],
  [one("queue_config: { min_backoff: 0 }"), "min_backoff must be greater than 0"],
  [one("oauth2: { client_id: hush }"), "remote_write[0].oauth2 is not supported: samples would"],
  [one("sigv4: { region: hush }"), "sigv4 is not supported"],
  [one("azuread: { cloud: hush }"), "azuread is not supported"],
  [one("google_iam: { credentials_file: hush }"), "google_iam is not supported"],
  [one("proxy_url: 'http://hush'"), "proxy_url is not supported: samples would not pass the proxy"],
  [one("proxy_from_environment: true"), "proxy_from_environment is not supported"],
  [
    one("write_relabel_configs: [{ action: drop, regex: hush }]"),
    "write_relabel_configs is not supported: other series would be sent",
  ],
])("%s refuses to start", (list, message) => {
  const error = loadError(file(list));
  expect(error).toContain(message);
  expect(error).toContain("line 2: ");
  expect(error).not.toContain("hush");
});

test("credentials are not shown", () => {
  const list = `[{ url: "http://u:hush@h/x", basic_auth: { username: u, password: hush }, headers: { A: hush }, http_headers: { B: { secrets: [hush] } } }, { ${URL_KEY}, authorization: { credentials: hush } }, { ${URL_KEY}, name: b, bearer_token: hush }]`;
  const shown = renderConfig(load(file(list)), undefined);
  expect(shown).not.toContain("hush");
  expect(shown).toContain("username: u");
});
