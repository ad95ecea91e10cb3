import type { ListedObject } from "./object-store.ts";

/**
 * One kind of bucket, one request a call, without retries: `BucketStore` adds those. Keys here are
 * whole, with the store's prefix. Methods reject with a `RequestFailure` or a connection's error,
 * and stop when `signal` is aborted.
 */
export interface BucketBackend {
  readonly backend: "s3" | "gcs";
  /** `s3://bucket`. */
  readonly location: string;
  /** Whether writes can be made to depend on what is there; a backend may learn that it is not so. */
  readonly conditionalWrites: boolean;
  put(request: PutRequest, signal: AbortSignal): Promise<WrittenObject>;
  read(key: string, range: ReadRange | undefined, signal: AbortSignal): Promise<ReadResponse>;
  /** Rejects with `missing`. */
  head(key: string, signal: AbortSignal): Promise<StoredObject>;
  /** A missing object is no error. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  list(request: ListRequest, signal: AbortSignal): Promise<ListResponse>;
  startUpload(request: UploadRequest, signal: AbortSignal): Promise<BucketUpload>;
  close(): void;
}

/** Of an object's metadata: the id of the upload that wrote it, by which a lost answer is settled. */
export const UPLOAD_ID_KEY = "pintail-upload";

/** `precondition` is what a failed condition rejects with. */
export type WriteCondition =
  | { readonly type: "none" }
  | { readonly type: "absent" }
  | { readonly type: "version"; readonly version: string };

export type PutRequest = {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly md5: Uint8Array;
  readonly uploadId: string;
  readonly condition: WriteCondition;
};

export type UploadRequest = {
  readonly key: string;
  readonly sizeBytes: number;
  readonly partBytes: number;
  readonly uploadId: string;
  readonly condition: WriteCondition;
};

/** What the answer to a write says. */
export type WrittenObject = {
  readonly version: string;
  /** Whether the answer proves that the store has these bytes; if not, it is asked. */
  readonly verified: boolean;
};

export type StoredObject = {
  readonly version: string;
  readonly sizeBytes: number;
  readonly uploadId: string | undefined;
};

/** Half open. */
export type ReadRange = { readonly start: number; readonly end: number };

/** Headers of an answer; the body has not been read yet. */
export type ReadResponse = {
  readonly version: string;
  /** A `Content-Range`, when the answer is a part. */
  readonly contentRange: string | undefined;
  readonly contentLength: number | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  /** Drops what was not read. */
  discard(): void;
};

export type ListRequest = {
  readonly prefix: string;
  readonly delimiter: "/" | undefined;
  readonly maxKeys: number;
  readonly page: string | undefined;
};

export type ListResponse = {
  readonly objects: readonly ListedObject[];
  readonly prefixes: readonly string[];
  readonly nextPage: string | undefined;
};

/** An upload in parts. Parts that were sent may be sent again. */
export interface BucketUpload {
  /** How many parts may be under way at a time; 1 = only one after the other. */
  readonly parallelParts: number;
  /** `index` from 0. Only the last part may be shorter than the part size. */
  putPart(part: UploadPart, signal: AbortSignal): Promise<void>;
  complete(signal: AbortSignal): Promise<WrittenObject>;
  abort(signal: AbortSignal): Promise<void>;
}

export type UploadPart = {
  readonly index: number;
  readonly start: number;
  readonly bytes: Uint8Array;
  /** Whether the part was tried before. */
  readonly again: boolean;
};
