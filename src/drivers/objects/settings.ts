/** `storage.trace.backend` with the block of that name. Names follow Tempo's keys. */
export type ObjectStoreSettings =
  | { readonly backend: "local"; readonly local: LocalStoreSettings }
  | { readonly backend: "s3"; readonly s3: S3Settings }
  | { readonly backend: "gcs"; readonly gcs: GcsSettings };

export type LocalStoreSettings = {
  /** Folder of the objects; created when it is missing. */
  readonly path: string;
};

/** How hard a bucket is tried. */
export type RetrySettings = {
  /** Tries of one request, the first one counted. Tempo: `retry_max_attempts`. */
  readonly maxAttempts: number;
  /** Wait before the second try; doubles, with jitter. Tempo: `retry_backoff_initial`. */
  readonly backoffInitialMs: number;
  /** Longest wait between tries, unless the store names a longer one. Tempo: `retry_backoff_max`. */
  readonly backoffMaxMs: number;
  /** One try is given up after this, and a second more for each 256 KiB that it moves. */
  readonly attemptTimeoutMs: number;
  /** No try begins later than this after the first; then the call is `unavailable`. */
  readonly deadlineMs: number;
};

export const DEFAULT_RETRY: RetrySettings = {
  maxAttempts: 10,
  backoffInitialMs: 200,
  backoffMaxMs: 1000,
  attemptTimeoutMs: 30_000,
  deadlineMs: 60_000,
};

/** What buckets of both kinds have. */
export type BucketSettings = {
  readonly bucket: string;
  /** Before each key, without a slash in front. */
  readonly prefix: string;
  /**
   * Bodies larger than this are sent in parts of it. Twice four parts at most are in memory. S3 wants
   * 5 MiB or more, GCS multiples of 256 KiB. Tempo: `s3.part_size`, `gcs.chunk_buffer_size`.
   */
  readonly partBytes: number;
  /** Requests under way at a time; others wait. */
  readonly maxRequests: number;
  readonly retry: RetrySettings;
};

/** `storage.trace.s3`. Empty texts are absent ones. */
export type S3Settings = BucketSettings & {
  /** `host[:port]` without a scheme; empty = AWS's own of the region. */
  readonly endpoint: string;
  /** Empty = from the endpoint's name, else from AWS's environment and files. */
  readonly region: string;
  /** Plain HTTP. */
  readonly insecure: boolean;
  /** All three empty = AWS's chain: environment, files, web identity, instance role. */
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken: string;
  readonly forcePathStyle: boolean;
  /** 0 = by the endpoint's name, 1 = bucket in the host name, 2 = bucket in the path. */
  readonly bucketLookupType: 0 | 1 | 2;
  readonly dualStack: boolean;
  /** Tags of each object. */
  readonly tags: Readonly<Record<string, string>>;
  /** User metadata of each object. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly sse: S3Encryption | undefined;
  readonly tls: S3TlsSettings;
};

export type S3Encryption =
  | { readonly type: "SSE-S3" }
  | {
      readonly type: "SSE-KMS";
      readonly kmsKeyId: string;
      /** JSON text of an object of texts. */
      readonly kmsEncryptionContext: string;
    }
  /** 32 bytes, as text. */
  | { readonly type: "SSE-C"; readonly encryptionKey: string };

/** Files are PEM. */
export type S3TlsSettings = {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly serverName: string;
  readonly insecureSkipVerify: boolean;
  /** OpenSSL's names, joined by colons. */
  readonly cipherSuites: string;
  /** As Go names it: `VersionTLS12`. */
  readonly minVersion: string;
};

export const NO_S3_TLS: S3TlsSettings = {
  certFile: "",
  keyFile: "",
  caFile: "",
  serverName: "",
  insecureSkipVerify: false,
  cipherSuites: "",
  minVersion: "VersionTLS12",
};

export const DEFAULT_S3: Omit<S3Settings, "bucket"> = {
  prefix: "",
  partBytes: 8 * 1024 * 1024,
  maxRequests: 32,
  retry: DEFAULT_RETRY,
  endpoint: "",
  region: "",
  insecure: false,
  accessKey: "",
  secretKey: "",
  sessionToken: "",
  forcePathStyle: false,
  bucketLookupType: 0,
  dualStack: false,
  tags: {},
  metadata: {},
  storageClass: "",
  sse: undefined,
  tls: NO_S3_TLS,
};

/** `storage.trace.gcs`. Empty texts are absent ones. */
export type GcsSettings = BucketSettings & {
  /** URL of the JSON API, with or without its path `/storage/v1/`; empty = Google's. */
  readonly endpoint: string;
  /** No authentication and no check of certificates: for emulators. */
  readonly insecure: boolean;
  /** Service account file; empty = application default credentials. */
  readonly credentialsFile: string;
  readonly cacheControl: string;
  /** User metadata of each object. */
  readonly metadata: Readonly<Record<string, string>>;
};

export const DEFAULT_GCS: Omit<GcsSettings, "bucket"> = {
  prefix: "",
  partBytes: 10 * 1024 * 1024,
  maxRequests: 32,
  retry: DEFAULT_RETRY,
  endpoint: "",
  insecure: false,
  credentialsFile: "",
  cacheControl: "",
  metadata: {},
};
