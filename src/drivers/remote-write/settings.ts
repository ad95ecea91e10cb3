/** One endpoint of Prometheus' remote write protocol. */
export type RemoteWriteSettings = {
  readonly url: string;
  /** In metrics and logs; '' = a hash of the settings. */
  readonly name: string;
  readonly timeoutMs: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: RemoteWriteAuth | undefined;
  readonly tls: RemoteWriteTls | undefined;
  readonly queue: RemoteWriteQueue;
};

export type RemoteWriteAuth =
  | { readonly type: "basic"; readonly username: string; readonly password: Secret }
  /** `scheme` and a blank come before the credentials: `Bearer`. */
  | { readonly type: "header"; readonly scheme: string; readonly credentials: Secret };

/** A file is read again for each request: it may be rotated. */
export type Secret =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "file"; readonly path: string };

export type RemoteWriteTls = {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly serverName: string;
  readonly insecureSkipVerify: boolean;
};

export type RemoteWriteQueue = {
  /** Samples that wait before the oldest are dropped: `capacity` times `max_shards`. */
  readonly maxSamples: number;
  /** Requests under way at a time. */
  readonly maxShards: number;
  readonly maxSamplesPerSend: number;
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly retryOnRateLimit: boolean;
};
