import { PintailError } from "../../errors.ts";
import { VERSION } from "../../version.ts";
import { readSecret } from "./read-secret.ts";
import type { RemoteWriteAuth } from "./settings.ts";

export type WriteHeaders = Readonly<Record<string, string>>;

/** They belong to the connection, or tell where a body ends. */
const NOT_OURS_TO_SET = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export type HeaderSources = {
  readonly endpoint: WriteHeaders;
  readonly auth: RemoteWriteAuth | undefined;
  readonly batch: WriteHeaders;
  /** Requests with this batch before this one. */
  readonly attempts: number;
};

/**
 * Later ones win: authentication, the endpoint's, the batch's, those of the protocol. Names are
 * compared without case. Throws `invalid` for what cannot be a header, `unavailable` while a secret
 * cannot be read.
 */
export async function requestHeaders(sources: HeaderSources): Promise<WriteHeaders> {
  const { endpoint, auth, batch, attempts } = sources;
  const merged = new Map<string, string>();
  const add = (headers: WriteHeaders) => {
    for (const [name, value] of Object.entries(headers)) merged.set(name.toLowerCase(), value);
  };
  add(endpoint);
  add(batch);
  if (auth !== undefined && !merged.has("authorization")) {
    merged.set("authorization", await authorization(auth));
  }
  add(protocolHeaders(attempts));
  const headers: Record<string, string> = {};
  for (const [name, value] of merged) {
    if (!NOT_OURS_TO_SET.has(name)) headers[checkedName(name)] = wireValue(name, value);
  }
  return headers;
}

function protocolHeaders(attempts: number): WriteHeaders {
  return {
    "content-type": "application/x-protobuf",
    "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
    "user-agent": `Pintail/${VERSION}`,
    ...(attempts === 0 ? {} : { "retry-attempt": String(attempts) }),
  };
}

async function authorization(auth: RemoteWriteAuth): Promise<string> {
  if (auth.type === "header") return `${auth.scheme} ${await readSecret(auth.credentials)}`;
  const pair = `${auth.username}:${await readSecret(auth.password)}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

function checkedName(name: string): string {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) {
    throw new PintailError("invalid", `'${name}' cannot be the name of a header`);
  }
  return name;
}

/** UTF-8, as a text of its bytes. The value may be a secret, so no message tells it. */
function wireValue(name: string, value: string): string {
  if (/\p{Cc}/u.test(value.replaceAll("\t", " "))) {
    throw new PintailError("invalid", `the value of header '${name}' has control characters`);
  }
  return Buffer.from(value, "utf8").toString("latin1");
}
