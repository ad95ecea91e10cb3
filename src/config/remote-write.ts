import type {
  RemoteWriteAuth,
  RemoteWriteQueue,
  RemoteWriteSettings,
  RemoteWriteTls,
  Secret,
} from "../drivers/remote-write/settings.ts";
import { ConfigValues } from "./config-values.ts";
import { decodeBlock } from "./decode.ts";
import { headerProblem, readHttpHeaders } from "./http-headers.ts";
import { keyTree } from "./key-spec.ts";
import { remoteWriteKeys } from "./keys/remote-write.ts";
import { refuseUnsupported, warnUnsupported } from "./treatments.ts";
import { isNull, type YamlNode } from "./yaml-tree.ts";

export type RemoteWrites = {
  readonly endpoints: readonly RemoteWriteSettings[];
  /** Keys that are accepted without effect. */
  readonly unsupported: readonly string[];
};

const BLOCK = "metrics_generator.storage.remote_write";
/** Each has a queue for each tenant. */
const MAX_ENDPOINTS = 100;

const tree = keyTree(remoteWriteKeys);

/**
 * `metrics_generator.storage.remote_write`: a list, or nothing. `readFile` is asked for files that
 * are read once. `report` is told what is wrong, with line and key.
 */
export function readRemoteWrites(
  node: YamlNode | undefined,
  readFile: (path: string) => string,
  report: (problem: string) => void,
): RemoteWrites {
  if (node === undefined || isNull(node)) return { endpoints: [], unsupported: [] };
  if (node.kind !== "list") {
    report(`line ${node.line}: ${BLOCK} must be a list`);
    return { endpoints: [], unsupported: [] };
  }
  if (node.items.length > MAX_ENDPOINTS) {
    const count = node.items.length;
    report(`line ${node.line}: ${BLOCK} has ${count} endpoints, the limit is ${MAX_ENDPOINTS}`);
    return { endpoints: [], unsupported: [] };
  }
  const endpoints: RemoteWriteSettings[] = [];
  const unsupported: string[] = [];
  const seen = new Set<string>();
  for (const [index, item] of node.items.entries()) {
    const path = `${BLOCK}[${index}]`;
    const { keys, errors } = decodeBlock(item, tree, path);
    for (const error of [...errors, ...refuseUnsupported(keys, `${path}.`)]) report(error);
    unsupported.push(...warnUnsupported(keys, `${BLOCK}.`));
    if (errors.length > 0) continue;
    const tell = (problem: string) => report(`line ${item.line}: ${path}${problem}`);
    const headers = readHttpHeaders(keys.get("http_headers")?.node, readFile, {
      path: `${path}.http_headers`,
      report,
    });
    const settings = endpoint(new ConfigValues(remoteWriteKeys, keys), headers, readFile, tell);
    // Those without a name are told apart by all they have.
    const identity = settings.name || JSON.stringify(settings);
    if (seen.has(identity)) tell(" is there twice: give each a name of its own");
    seen.add(identity);
    endpoints.push(settings);
  }
  return { endpoints, unsupported };
}

function endpoint(
  values: ConfigValues,
  httpHeaders: readonly (readonly [name: string, value: string])[],
  readFile: (path: string) => string,
  tell: (problem: string) => void,
): RemoteWriteSettings {
  const timeoutMs = values.durationMs("remote_timeout");
  if (timeoutMs === 0) tell(".remote_timeout must be greater than 0");
  const { url, user } = splitUrl(values.text("url"), tell);
  return {
    url,
    name: values.text("name"),
    timeoutMs,
    headers: headers([...Object.entries(values.map("headers")), ...httpHeaders], tell),
    auth: auth(values, readFile, tell) ?? user,
    tls: tls(values, tell),
    queue: queue(values, tell),
  };
}

/** A user in the URL is taken out of it: most clients refuse such a URL. The text is never shown. */
function splitUrl(
  text: string,
  tell: (problem: string) => void,
): { readonly url: string; readonly user: RemoteWriteAuth | undefined } {
  const nothing = { url: text, user: undefined };
  if (text === "") {
    tell(".url is missing");
    return nothing;
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    tell(".url must be a URL of http or https");
    return nothing;
  }
  if (url.username === "" && url.password === "") return nothing;
  try {
    const [username, password] = [url.username, url.password].map(decodeURIComponent);
    url.username = "";
    url.password = "";
    return {
      url: url.href,
      user: {
        type: "basic",
        username: username ?? "",
        password: { type: "text", text: password ?? "" },
      },
    };
  } catch {
    tell(".url has a user or password that is not escaped");
    return nothing;
  }
}

function headers(
  pairs: readonly (readonly [name: string, value: string])[],
  tell: (problem: string) => void,
): Readonly<Record<string, string>> {
  const names = new Set<string>();
  for (const [name, value] of pairs) {
    const problem = headerProblem(name, value);
    if (problem !== undefined) tell(`.headers: ${problem}`);
    if (names.has(name.toLowerCase())) tell(`.headers: ${name} is there twice`);
    names.add(name.toLowerCase());
  }
  return Object.fromEntries(pairs);
}

function auth(
  values: ConfigValues,
  readFile: (path: string) => string,
  tell: (problem: string) => void,
): RemoteWriteAuth | undefined {
  const ways = ["basic_auth", "authorization", "bearer_token", "bearer_token_file"].filter((way) =>
    values.hasAny(way),
  );
  const [way] = ways;
  if (way === undefined) return undefined;
  if (ways.length > 1) {
    tell(` has ${ways.join(" and ")}: give one of them`);
    return undefined;
  }
  if (way === "basic_auth") return basicAuth(values, readFile, tell);
  const scheme = way === "authorization" ? values.text("authorization.type").trim() : "Bearer";
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(scheme) || scheme.toLowerCase() === "basic") {
    tell(".authorization.type must be one word, and not Basic: that is basic_auth");
  }
  const [text, file] =
    way === "authorization"
      ? ["authorization.credentials", "authorization.credentials_file"]
      : ["bearer_token", "bearer_token_file"];
  const credentials = secret(values, text, file, tell);
  if (credentials.type === "text" && credentials.text === "") {
    tell(`.${way} needs ${text} or ${file}`);
  }
  return { type: "header", scheme, credentials };
}

function basicAuth(
  values: ConfigValues,
  readFile: (path: string) => string,
  tell: (problem: string) => void,
): RemoteWriteAuth {
  const user = secret(values, "basic_auth.username", "basic_auth.username_file", tell);
  let username = user.type === "text" ? user.text : "";
  if (user.type === "file") {
    try {
      username = readFile(user.path).trim();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      tell(`.basic_auth.username_file: ${reason}`);
    }
  }
  // A colon would end it; both go into one header.
  if (username.includes(":")) tell(".basic_auth.username must not have a colon");
  const password = secret(values, "basic_auth.password", "basic_auth.password_file", tell);
  return { type: "basic", username, password };
}

function secret(
  values: ConfigValues,
  textKey: string,
  fileKey: string,
  tell: (problem: string) => void,
): Secret {
  const [text, path] = [values.text(textKey), values.text(fileKey)];
  if (text !== "" && path !== "") tell(` has ${textKey} and ${fileKey}: give one of them`);
  return path === "" ? { type: "text", text } : { type: "file", path };
}

function tls(values: ConfigValues, tell: (problem: string) => void): RemoteWriteTls | undefined {
  if (!values.hasAny("tls_config")) return undefined;
  const text = (name: string) => values.text(`tls_config.${name}`);
  if ((text("cert_file") === "") !== (text("key_file") === "")) {
    tell(".tls_config needs both cert_file and key_file, or neither");
  }
  return {
    caFile: text("ca_file"),
    certFile: text("cert_file"),
    keyFile: text("key_file"),
    serverName: text("server_name"),
    insecureSkipVerify: values.bool("tls_config.insecure_skip_verify"),
  };
}

function queue(values: ConfigValues, tell: (problem: string) => void): RemoteWriteQueue {
  const number = (name: string) => {
    const value = values.number(`queue_config.${name}`);
    if (value === 0) tell(`.queue_config.${name} must be greater than 0`);
    return value;
  };
  const minBackoffMs = values.durationMs("queue_config.min_backoff");
  if (minBackoffMs === 0) tell(".queue_config.min_backoff must be greater than 0");
  const maxShards = number("max_shards");
  return {
    maxSamples: number("capacity") * maxShards,
    maxShards,
    maxSamplesPerSend: number("max_samples_per_send"),
    minBackoffMs,
    maxBackoffMs: Math.max(minBackoffMs, values.durationMs("queue_config.max_backoff")),
    retryOnRateLimit: values.bool("queue_config.retry_on_http_429"),
  };
}
