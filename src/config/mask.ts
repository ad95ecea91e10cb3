import type { ConfigValue } from "./scalar.ts";

const MASK = "<secret>";

/**
 * Names whose values are credentials, in any block. Too many masked is a nuisance, one too few is a
 * leak, so unknown names that end like a secret are masked too.
 */
const SECRET_NAME =
  /^(access_key|secret_key|session_token|encryption_key|storage_account_key|cert_pem|key_pem|key|credentials|secrets?|.*_?password|.*_secret|.*_?token|.*_credentials|sse_key)$/i;

/** Header maps carry credentials under any name, e.g. `X-Scope-OrgID` beside `Authorization`. */
const HEADER_MAP = /^(headers|http_headers|remote_write_headers|response_headers)$/i;

const URL_USER_INFO = /(:\/\/)[^/?#\s]+@/g;

/** A copy with every credential replaced by `<secret>`; an empty value stays, it hides nothing. */
export function maskSecrets(value: ConfigValue): ConfigValue {
  if (typeof value === "string") return value.replace(URL_USER_INFO, `$1${MASK}@`);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(maskSecrets);
  // The name of an attribute, as a filter policy has it; a private key stands beside no value.
  const isPair = Object.keys(value).every((name) => name === "key" || name === "value");
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      if (isPair && name === "key" && Object.hasOwn(value, "value")) return [name, inner];
      if (SECRET_NAME.test(name) || HEADER_MAP.test(name)) return [name, maskAll(inner)];
      return [name, maskSecrets(inner)];
    }),
  );
}

function maskAll(value: ConfigValue): ConfigValue {
  if (value === null || value === "") return value;
  if (typeof value !== "object") return MASK;
  if (Array.isArray(value)) return value.map(maskAll);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, maskAll(inner)]));
}
