import { expect, test } from "vitest";
import { renderConfig } from "../../src/config/render.ts";
import { DEFAULT_GCS, DEFAULT_RETRY, DEFAULT_S3 } from "../../src/drivers/objects/settings.ts";
import { LOCAL, load, loadError } from "./support.ts";

const bucket = (backend: string, block: string) =>
  `storage: { trace: { backend: ${backend}, ${backend}: { ${block} } } }\n`;

function s3(block: string, env: Record<string, string> = {}) {
  const store = load(bucket("s3", `bucket: b, ${block}`), { env }).settings.bucket?.store;
  if (store?.backend !== "s3") throw new Error("no S3 settings");
  return store.s3;
}

function gcs(block: string) {
  const store = load(bucket("gcs", `bucket_name: b, ${block}`)).settings.bucket?.store;
  if (store?.backend !== "gcs") throw new Error("no GCS settings");
  return store.gcs;
}

test("a bucket alone has the drivers' defaults and Tempo's retention", () => {
  expect(s3("")).toEqual({ ...DEFAULT_S3, bucket: "b" });
  expect(gcs("")).toEqual({ ...DEFAULT_GCS, bucket: "b" });
  const { settings, warnings } = load(bucket("s3", "bucket: b"));
  expect(warnings).toEqual([]);
  expect(settings.bucket).toMatchObject({
    cacheBytes: 10 * 1024 ** 3,
    maxSpillBytes: 10 * 1024 ** 3,
    uploadAfterMs: 600_000,
  });
  expect(settings.retention.retentionMs).toBe(336 * 3_600_000);
  expect(load(LOCAL).settings.bucket).toBeUndefined();
  expect(load(LOCAL).settings.retention.retentionMs).toBe(48 * 3_600_000);
});

test("every key of S3 arrives", () => {
  expect(
    s3(`prefix: p/q, endpoint: "h:1", region: r, access_key: a, secret_key: k, session_token: t,
      insecure: true, forcepathstyle: true, bucket_lookup_type: 1, enable_dual_stack: true,
      part_size: 6000000, retry_max_attempts: 3, retry_backoff_initial: 1s, retry_backoff_max: 5s,
      tags: { x: 1 }, metadata: { y: z }, storage_class: GLACIER_IR,
      sse: { type: SSE-KMS, kms_key_id: i, kms_encryption_context: '{"a":"b"}' },
      tls_cert_path: c, tls_key_path: d, tls_ca_path: e, tls_server_name: f,
      tls_insecure_skip_verify: true, tls_min_version: VersionTLS13,
      tls_cipher_suites: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"`),
  ).toEqual({
    bucket: "b",
    prefix: "p/q",
    partBytes: 6_000_000,
    maxRequests: DEFAULT_S3.maxRequests,
    retry: { ...DEFAULT_RETRY, maxAttempts: 3, backoffInitialMs: 1000, backoffMaxMs: 5000 },
    endpoint: "h:1",
    region: "r",
    insecure: true,
    accessKey: "a",
    secretKey: "k",
    sessionToken: "t",
    forcePathStyle: true,
    bucketLookupType: 1,
    dualStack: true,
    tags: { x: "1" },
    metadata: { y: "z" },
    storageClass: "GLACIER_IR",
    sse: { type: "SSE-KMS", kmsKeyId: "i", kmsEncryptionContext: '{"a":"b"}' },
    tls: {
      certFile: "c",
      keyFile: "d",
      caFile: "e",
      serverName: "f",
      insecureSkipVerify: true,
      cipherSuites:
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES128-GCM-SHA256",
      minVersion: "VersionTLS13",
    },
  });
  expect(s3("part_size: 5000000000").partBytes).toBe(64 * 1024 * 1024);
  expect(s3("sse: { type: SSE-S3 }").sse).toEqual({ type: "SSE-S3" });
  const key = "0123456789abcdef0123456789abcdef";
  expect(s3(`sse: { type: SSE-C, encryption_key: ${key} }`).sse).toEqual({
    type: "SSE-C",
    encryptionKey: key,
  });
});

test("every key of GCS arrives", () => {
  expect(
    gcs(`prefix: p, endpoint: "http://h:1/storage/v1/", insecure: true, chunk_buffer_size: 300000,
      max_retries: 3, object_cache_control: no-store, object_metadata: { a: b }`),
  ).toEqual({
    ...DEFAULT_GCS,
    bucket: "b",
    prefix: "p",
    endpoint: "http://h:1/storage/v1/",
    insecure: true,
    partBytes: 262_144,
    retry: { ...DEFAULT_RETRY, maxAttempts: 4 },
    cacheControl: "no-store",
    metadata: { a: "b" },
  });
  expect(gcs("chunk_buffer_size: 0").partBytes).toBe(262_144);
});

test("flags are over the file", () => {
  const args = [
    "-storage.trace.s3.bucket=f",
    "-storage.trace.s3.sse.type=SSE-KMS",
    "-storage.trace.s3.sse.kms-key-id=k",
    "-storage.trace.s3.prefix=x",
  ];
  expect(load(bucket("s3", "bucket: b"), { args }).settings.bucket?.store).toMatchObject({
    s3: { bucket: "f", prefix: "x", sse: { type: "SSE-KMS", kmsKeyId: "k" } },
  });
  const flags = ["-storage.trace.backend=gcs", "-storage.trace.gcs.bucket=g"];
  expect(load(undefined, { args: flags }).settings.bucket?.store).toMatchObject({
    backend: "gcs",
    gcs: { bucket: "g" },
  });
});

test("keys of the environment: the file's, then AWS's by their chain, then MinIO's", () => {
  const minio = { MINIO_ACCESS_KEY: "m", MINIO_SECRET_KEY: "n" };
  expect(s3("", minio)).toMatchObject({ accessKey: "m", secretKey: "n" });
  const root = { ...minio, MINIO_ROOT_USER: "r", MINIO_ROOT_PASSWORD: "s" };
  expect(s3("", root)).toMatchObject({ accessKey: "r", secretKey: "s" });
  const aws = { ...minio, AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };
  expect(s3("", aws)).toMatchObject({ accessKey: "", secretKey: "" });
  expect(s3("access_key: k, secret_key: l", aws)).toMatchObject({
    accessKey: "k",
    secretKey: "l",
  });
  expect(s3("", { MINIO_ACCESS_KEY: "m" })).toMatchObject({ accessKey: "", secretKey: "" });
});

test.each([
  ["s3", "region: x", "storage.trace.s3.bucket is not set"],
  ["s3", 'bucket: b, endpoint: "http://h:1"', "storage.trace.s3.endpoint must be host"],
  ["s3", "bucket: b, endpoint: h/path", "without scheme and path"],
  ["s3", "bucket: b, access_key: a", "needs both access_key and secret_key"],
  ["s3", "bucket: b, part_size: 1000", "part_size 1000 must be 0 or at least 5242880"],
  ["s3", "bucket: b, sse: { type: SSE-X }", 'unsupported S3 SSE type "SSE-X"'],
  ["s3", "bucket: b, sse: { type: SSE-C, encryption_key: k }", "must have 32 bytes"],
  ["s3", "bucket: b, sse: { type: SSE-KMS, kms_encryption_context: '[]' }", "object of texts"],
  ["s3", "bucket: b, sse: { type: SSE-KMS, kms_encryption_context: '{' }", "object of texts"],
  ["s3", "bucket: b, tls_cert_path: c", "needs both tls_cert_path and tls_key_path"],
  ["s3", "bucket: b, tls_cipher_suites: TLS_RC4", 'unknown cipher suite "TLS_RC4"'],
  ["s3", "bucket: b, tls_min_version: SSL3", "is not one of"],
  ["s3", "bucket: b, bucket_lookup_type: 3", "is not between 0 and 2"],
  ["s3", `bucket: b, prefix: ${"x".repeat(256)}`, "has 256 bytes, the limit is 255"],
  ["gcs", "prefix: x", "storage.trace.gcs.bucket_name is not set"],
  ["gcs", "bucket_name: b, endpoint: h", 'storage.trace.gcs.endpoint "h" must be a URL'],
])("%s { %s } refuses to start", (backend, block, message) => {
  expect(loadError(bucket(backend, block))).toContain(message);
});

test.each(["cache_bytes", "max_spill_bytes"])("pintail.storage.%s must not be 0", (name) => {
  const text = `${bucket("s3", "bucket: b")}pintail: { storage: { ${name}: 0 } }\n`;
  expect(loadError(text)).toContain(`pintail.storage.${name} must be greater than 0`);
});

test("keys without a meaning for the backend are named in a warning", () => {
  const { settings, warnings } = load(
    `${bucket("s3", "bucket: b, signature_v2: true, hedge_requests_at: 1s")}pintail:
  storage: { cache_bytes: 5e9, max_spill_bytes: 1e9, upload_after: 1m }
  retention: { max_disk_percent: 80, max_bytes: 7 }
`,
  );
  expect(settings.bucket).toMatchObject({
    cacheBytes: 5e9,
    maxSpillBytes: 1e9,
    uploadAfterMs: 60_000,
  });
  expect(settings.retention).toMatchObject({ maxDiskPercent: 80, maxBytesPerTenant: 7 });
  expect(warnings).toEqual([
    "pintail.retention.max_disk_percent has no effect with storage.trace.backend s3",
    "accepted but without effect: storage.trace.s3.signature_v2",
  ]);
  expect(load(`${LOCAL}pintail: { storage: { upload_after: 1m } }\n`).warnings).toEqual([
    "pintail.storage has no effect with storage.trace.backend local",
  ]);
});

test("the status page shows the bucket without its credentials", () => {
  const config = load(
    bucket(
      "s3",
      "bucket: b, access_key: hunter2, secret_key: hunter2, session_token: hunter2, sse: { type: SSE-C, encryption_key: hunter2hunter2hunter2hunter2hunt }",
    ),
  );
  const text = renderConfig(config, "diff");
  expect(text).toContain("bucket: b");
  expect(text).not.toContain("hunter2");
});
