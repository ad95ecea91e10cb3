import { readFile } from "node:fs/promises";
import type { AgentOptions } from "node:https";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { PintailError } from "../../../errors.ts";
import { secureVersion } from "../../../runtime/tls.ts";
import type { S3Settings, S3TlsSettings } from "../settings.ts";

export type S3Library = typeof import("@aws-sdk/client-s3");

const CONNECT_TIMEOUT_MS = 10_000;
/** What stores that are not AWS's expect when nothing is configured. */
const DEFAULT_REGION = "us-east-1";

/** Throws `invalid` for settings that cannot work, naming them. */
export async function makeS3Client(library: S3Library, settings: S3Settings): Promise<S3Client> {
  checkSettings(settings);
  const client = new library.S3Client(await clientConfig(settings));
  try {
    // From the settings, AWS's environment, or its files.
    await client.config.region();
  } catch (cause) {
    client.destroy();
    throw new PintailError("invalid", "s3 needs a region or an endpoint", { cause });
  }
  return client;
}

async function clientConfig(settings: S3Settings): Promise<S3ClientConfig> {
  const { endpoint, accessKey, secretKey, sessionToken } = settings;
  const region = settings.region || regionOf(endpoint) || (endpoint ? DEFAULT_REGION : "");
  const agent = { keepAlive: true, maxSockets: settings.maxRequests };
  return {
    ...(region === "" ? {} : { region }),
    ...(endpoint === "" ? {} : { endpoint: endpointUrl(settings) }),
    tls: !settings.insecure,
    forcePathStyle: usesPathStyle(settings),
    useDualstackEndpoint: settings.dualStack,
    ...(accessKey === ""
      ? {}
      : {
          credentials: {
            accessKeyId: accessKey,
            secretAccessKey: secretKey,
            ...(sessionToken === "" ? {} : { sessionToken }),
          },
        }),
    // Retries are ours, so that all backends have the same and each try is counted.
    maxAttempts: 1,
    // Content-MD5 is sent instead, which stores with old rules know too.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // Not all stores answer it, and parts are small enough to be sent in vain.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      httpAgent: agent,
      httpsAgent: { ...agent, ...(await tlsOptions(settings.tls)) },
    },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  };
}

function checkSettings(settings: S3Settings): void {
  const { bucket, endpoint, accessKey, secretKey, sse, partBytes } = settings;
  const fail = (message: string): never => {
    throw new PintailError("invalid", message);
  };
  if (bucket === "") fail("s3 needs a bucket");
  if (endpoint !== "" && !/^[^/\s@?#]+$/.test(endpoint)) {
    fail(`s3 endpoint '${endpoint}' must be host or host:port, without scheme and path`);
  }
  if ((accessKey === "") !== (secretKey === "")) {
    fail("s3 access_key and secret_key are given together or not at all");
  }
  if (partBytes < 5 * 1024 * 1024) fail(`s3 part_size ${partBytes} is below 5242880`);
  if (sse?.type === "SSE-C" && Buffer.byteLength(sse.encryptionKey) !== 32) {
    fail("s3 sse.encryption_key must have 32 bytes");
  }
}

function endpointUrl({ endpoint, insecure }: S3Settings): string {
  return `${insecure ? "http" : "https"}://${endpoint}`;
}

/** Hosts whose buckets are part of the host name when nothing says otherwise. */
const BUCKET_HOSTS = /(^|\.)(amazonaws\.com(\.cn)?|storage\.googleapis\.com)(:\d+)?$/;

function usesPathStyle({ endpoint, forcePathStyle, bucketLookupType }: S3Settings): boolean {
  if (forcePathStyle || bucketLookupType === 2) return true;
  return bucketLookupType === 0 && endpoint !== "" && !BUCKET_HOSTS.test(endpoint);
}

/** `s3.eu-west-1.amazonaws.com`, `s3.dualstack.us-east-2.amazonaws.com`, `s3-us-west-2.amazonaws.com`. */
function regionOf(endpoint: string): string {
  const match = /^s3[.-](?:fips\.)?(?:dualstack\.)?([a-z0-9-]+)\.amazonaws\.com/.exec(endpoint);
  return match?.[1] ?? "";
}

/** Google's S3-compatible endpoint takes no conditional header of S3. */
export function hasConditionalWrites({ endpoint }: S3Settings): boolean {
  return !/(^|\.)storage\.googleapis\.com(:\d+)?$/.test(endpoint);
}

async function tlsOptions(tls: S3TlsSettings): Promise<AgentOptions> {
  return {
    rejectUnauthorized: !tls.insecureSkipVerify,
    minVersion: secureVersion(tls.minVersion, "TLSv1.2"),
    ...(tls.caFile === "" ? {} : { ca: await read(tls.caFile) }),
    ...(tls.certFile === ""
      ? {}
      : { cert: await read(tls.certFile), key: await read(tls.keyFile) }),
    ...(tls.serverName === "" ? {} : { servername: tls.serverName }),
    ...(tls.cipherSuites === "" ? {} : { ciphers: tls.cipherSuites }),
  };
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new PintailError("invalid", `cannot read TLS file ${path}`, { cause });
  }
}
