/**
 * Immutable objects by key, in a folder or in a bucket. What the rest of Pintail knows of either.
 *
 * Keys are `/`-joined names of `[A-Za-z0-9_=.-]`, none of which begins with a dot (`object-key.ts`);
 * the store's own prefix is not part of them. Every method takes part in the store's bounds on
 * requests under way, retries what can be retried until its deadline, and rejects with a
 * `PintailError`: `unavailable` (with `retryAfterMs`) when the store cannot be reached, is
 * overloaded, refuses the credentials or is full; `not_found`; `corrupt` when an object is not what
 * the caller knows it to be; `canceled` when `signal` was aborted; `limited` when too many requests
 * wait already; `invalid` for a bad key; else `internal`.
 */
export interface ObjectStore {
  readonly backend: "local" | "s3" | "gcs";
  /** Where objects are, for messages: `s3://bucket/prefix`. */
  readonly location: string;
  /**
   * Stores an object that is not changed again. Bodies beyond a part's size are sent in parts, of
   * which a bounded number is in memory. With `ifAbsent` an existing object stays, and the outcome
   * is `exists`; where a store has no conditional writes, two writers at the same moment may still
   * both store (the last one wins). After a lost answer the object is looked for before it is sent
   * again.
   */
  put(key: string, body: ObjectBody, options: PutOptions): Promise<PutResult>;
  /** The whole object in one request; `too_large` beyond `maxBytes`. */
  get(key: string, options: GetOptions): Promise<ObjectContent>;
  /**
   * One request for each range, several at once; results in the order of `ranges`. All bytes are of
   * one version, the given one if there is one. A range beyond the end is `corrupt`.
   */
  getRanges(
    key: string,
    ranges: readonly ByteRange[],
    options: ReadOptions,
  ): Promise<RangesContent>;
  /** `undefined` when there is no such object. */
  head(key: string, options: RequestOptions): Promise<ObjectInfo | undefined>;
  /** A missing object is no error. */
  delete(key: string, options: RequestOptions): Promise<void>;
  /** One page, ascending by key. For sweeps and rebuilding only: no query and no write lists. */
  list(options: ListOptions): Promise<ObjectPage>;
  /**
   * Writes a small object over the version that the caller read (`undefined`: none yet). The
   * outcome is `conflict` when it is another by now. Rejects with `unsupported` where the store has
   * no conditional writes.
   */
  replace(key: string, bytes: Uint8Array, options: ReplaceOptions): Promise<ReplaceResult>;
  /** Gives back connections; requests under way are given up. */
  close(): Promise<void>;
}

/** Half open, in bytes from the start; never empty. */
export type ByteRange = { readonly start: number; readonly end: number };

/**
 * Bytes that can be read again, since a request may have to be repeated: an array, or an open file
 * (`ReadFile` of `drivers/files` fits). A source is not closed, and must not change meanwhile.
 */
export type ObjectBody = Uint8Array | ObjectSource;
export interface ObjectSource {
  readonly sizeBytes: number;
  /** Fills `target` from `position`; returns how many bytes there were. */
  read(target: Uint8Array, position: number): Promise<number>;
}

export type ObjectInfo = {
  readonly key: string;
  readonly sizeBytes: number;
  /** Differs for each content that was ever under the key: S3's ETag, GCS's generation. */
  readonly version: string;
};

export type ListedObject = ObjectInfo & { readonly modifiedUnixMs: number };

export type ObjectContent = { readonly info: ObjectInfo; readonly bytes: Uint8Array };
export type RangesContent = { readonly info: ObjectInfo; readonly parts: readonly Uint8Array[] };

export type PutResult = { readonly outcome: "stored" | "exists"; readonly info: ObjectInfo };

export type ReplaceResult =
  | { readonly outcome: "replaced"; readonly info: ObjectInfo }
  | { readonly outcome: "conflict" };

export type ObjectPage = {
  readonly objects: readonly ListedObject[];
  /** With a delimiter: what keys have up to and with it, once each. */
  readonly prefixes: readonly string[];
  /** Opaque; `undefined` on the last page. A page may be empty and not the last. */
  readonly nextPage: string | undefined;
};

export type RequestOptions = { readonly signal: AbortSignal };

export type PutOptions = RequestOptions & { readonly ifAbsent: boolean };

export type ReadOptions = RequestOptions & {
  /** What the catalog knows; another one found is `corrupt`. */
  readonly version?: string | undefined;
  readonly sizeBytes?: number | undefined;
  /**
   * The object is known to be there: a "not found" is asked again some times, since some stores show
   * a new object a moment late.
   */
  readonly mustExist?: boolean | undefined;
};

export type GetOptions = ReadOptions & { readonly maxBytes: number };

export type ListOptions = RequestOptions & {
  readonly prefix: string;
  readonly delimiter?: "/" | undefined;
  /** At most 1000, which is also the default. */
  readonly maxKeys?: number | undefined;
  readonly page?: string | undefined;
};

export type ReplaceOptions = RequestOptions & { readonly ifVersion: string | undefined };

/** Largest object that `replace` writes. */
export const MAX_REPLACE_BYTES = 4 * 1024 * 1024;
/** Largest page of `list`, and what stores give at most. */
export const MAX_LIST_KEYS = 1000;
