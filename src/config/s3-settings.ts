import {
  DEFAULT_RETRY,
  DEFAULT_S3,
  type S3Encryption,
  type S3Settings,
  type S3TlsSettings,
} from "../drivers/objects/settings.ts";
import type { ConfigValues } from "./config-values.ts";
import type { Env } from "./environment.ts";
import { openSslCiphers } from "./tls-ciphers.ts";

type Report = (problem: string) => void;

const BLOCK = "storage.trace.s3";
/** S3's own bound. */
const MIN_PART_BYTES = 5 * 1024 * 1024;
/** Parts are held in memory, several at a time. */
export const MAX_PART_BYTES = 64 * 1024 * 1024;
const SSE_C_KEY_BYTES = 32;

/** `storage.trace.s3`. `report` is told what is wrong, beginning with the key. */
export function s3Settings(values: ConfigValues, env: Env, report: Report): S3Settings {
  const text = (name: string) => values.text(`${BLOCK}.${name}`);
  const lookup = values.number(`${BLOCK}.bucket_lookup_type`);
  const settings: S3Settings = {
    ...DEFAULT_S3,
    bucket: text("bucket"),
    prefix: text("prefix"),
    partBytes: partBytes(values, report),
    retry: {
      ...DEFAULT_RETRY,
      maxAttempts: Math.max(1, values.number(`${BLOCK}.retry_max_attempts`)),
      backoffInitialMs: values.durationMs(`${BLOCK}.retry_backoff_initial`),
      backoffMaxMs: values.durationMs(`${BLOCK}.retry_backoff_max`),
    },
    endpoint: text("endpoint"),
    region: text("region"),
    insecure: values.bool(`${BLOCK}.insecure`),
    ...credentials(values, env, report),
    forcePathStyle: values.bool(`${BLOCK}.forcepathstyle`),
    bucketLookupType: lookup === 1 || lookup === 2 ? lookup : 0,
    dualStack: values.bool(`${BLOCK}.enable_dual_stack`),
    tags: values.map(`${BLOCK}.tags`),
    metadata: values.map(`${BLOCK}.metadata`),
    storageClass: text("storage_class"),
    sse: encryption(values, report),
    tls: tlsSettings(values, report),
  };
  if (settings.bucket === "") report(`${BLOCK}.bucket is not set`);
  if (settings.endpoint !== "" && !/^[^/\s@?#]+$/.test(settings.endpoint)) {
    report(
      `${BLOCK}.endpoint must be host or host:port, without scheme and path; insecure chooses the scheme`,
    );
  }
  return settings;
}

function partBytes(values: ConfigValues, report: Report): number {
  const given = values.number(`${BLOCK}.part_size`);
  if (given === 0) return DEFAULT_S3.partBytes;
  if (given < MIN_PART_BYTES) {
    report(`${BLOCK}.part_size ${given} must be 0 or at least ${MIN_PART_BYTES}`);
  }
  return Math.min(given, MAX_PART_BYTES);
}

type Credentials = Pick<S3Settings, "accessKey" | "secretKey" | "sessionToken">;

/** What is empty here is left to AWS's own chain, which begins with `AWS_…` of the environment. */
function credentials(values: ConfigValues, env: Env, report: Report): Credentials {
  const [accessKey, secretKey, sessionToken] = [
    values.text(`${BLOCK}.access_key`),
    values.text(`${BLOCK}.secret_key`),
    values.text(`${BLOCK}.session_token`),
  ];
  if ((accessKey === "") !== (secretKey === "")) {
    report(`${BLOCK} needs both access_key and secret_key, or neither`);
  }
  if (accessKey !== "" || (env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY)) {
    return { accessKey, secretKey, sessionToken };
  }
  const pairs = [
    [env.MINIO_ROOT_USER, env.MINIO_ROOT_PASSWORD],
    [env.MINIO_ACCESS_KEY, env.MINIO_SECRET_KEY],
  ];
  const [user = "", password = ""] = pairs.find(([name, secret]) => name && secret) ?? [];
  return { accessKey: user, secretKey: password, sessionToken: "" };
}

function encryption(values: ConfigValues, report: Report): S3Encryption | undefined {
  const text = (name: string) => values.text(`${BLOCK}.sse.${name}`);
  const type = text("type");
  switch (type) {
    case "":
      return undefined;
    case "SSE-S3":
      return { type };
    case "SSE-KMS": {
      const kmsEncryptionContext = text("kms_encryption_context");
      if (kmsEncryptionContext !== "" && !isObjectOfTexts(kmsEncryptionContext)) {
        report(`${BLOCK}.sse.kms_encryption_context must be JSON, an object of texts`);
      }
      return { type, kmsKeyId: text("kms_key_id"), kmsEncryptionContext };
    }
    case "SSE-C": {
      const encryptionKey = text("encryption_key");
      if (new TextEncoder().encode(encryptionKey).length !== SSE_C_KEY_BYTES) {
        report(`${BLOCK}.sse.encryption_key must have ${SSE_C_KEY_BYTES} bytes`);
      }
      return { type, encryptionKey };
    }
    default:
      report(`${BLOCK}.sse.type: unsupported S3 SSE type "${type}"`);
      return undefined;
  }
}

function isObjectOfTexts(json: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return false;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((each) => typeof each === "string");
}

function tlsSettings(values: ConfigValues, report: Report): S3TlsSettings {
  const text = (name: string) => values.text(`${BLOCK}.tls_${name}`);
  if ((text("cert_path") === "") !== (text("key_path") === "")) {
    report(`${BLOCK} needs both tls_cert_path and tls_key_path, or neither`);
  }
  const ciphers = openSslCiphers(text("cipher_suites"));
  if ("unknown" in ciphers) {
    report(`${BLOCK}.tls_cipher_suites: unknown cipher suite "${ciphers.unknown}"`);
  }
  return {
    certFile: text("cert_path"),
    keyFile: text("key_path"),
    caFile: text("ca_path"),
    serverName: text("server_name"),
    insecureSkipVerify: values.bool(`${BLOCK}.tls_insecure_skip_verify`),
    cipherSuites: "names" in ciphers ? ciphers.names : "",
    minVersion: text("min_version") || "VersionTLS12",
  };
}
