import type { S3Client, ServiceOutputTypes } from "@aws-sdk/client-s3";
import {
  type BucketBackend,
  type BucketUpload,
  type ListRequest,
  type ListResponse,
  type PutRequest,
  type ReadRange,
  type ReadResponse,
  type StoredObject,
  UPLOAD_ID_KEY,
  type UploadRequest,
  type WriteCondition,
  type WrittenObject,
} from "../bucket-backend.ts";
import { isFailure, RequestFailure } from "../request-failure.ts";
import type { S3Settings } from "../settings.ts";
import { hasConditionalWrites, makeS3Client, type S3Library } from "./s3-client.ts";
import { s3Failure } from "./s3-failure.ts";
import { S3Upload } from "./s3-upload.ts";
import { keyOptions, versionOf, writeOptions } from "./s3-write-options.ts";

/** The client's library is loaded here, so that a server without a bucket never does. */
export async function openS3Bucket(settings: S3Settings): Promise<BucketBackend> {
  const library = await import("@aws-sdk/client-s3");
  return new S3Bucket(library, await makeS3Client(library, settings), settings);
}

class S3Bucket implements BucketBackend {
  readonly backend = "s3";
  readonly location: string;
  conditionalWrites: boolean;
  readonly #library: S3Library;
  readonly #client: S3Client;
  readonly #settings: S3Settings;
  /** Ceph compares If-Match without quotes; learned from its answer. */
  #quotedIfMatch = true;

  constructor(library: S3Library, client: S3Client, settings: S3Settings) {
    this.#library = library;
    this.#client = client;
    this.#settings = settings;
    this.location = `s3://${settings.bucket}`;
    this.conditionalWrites = hasConditionalWrites(settings);
  }

  async put(request: PutRequest, signal: AbortSignal): Promise<WrittenObject> {
    const { condition } = request;
    try {
      return await this.#put(request, signal);
    } catch (e) {
      if (isFailure(e, "unsupported") && condition.type !== "none") {
        this.conditionalWrites = false;
      }
      if (condition.type !== "version") throw e;
      // Nothing there is another state than the version, too.
      if (isFailure(e, "missing")) throw new RequestFailure("precondition", e.message);
      if (!isFailure(e, "precondition") || !this.#quotedIfMatch) throw e;
      const found = await this.head(request.key, signal);
      if (found.version !== condition.version) throw e;
      this.#quotedIfMatch = false;
      return this.#put(request, signal);
    }
  }

  async #put(request: PutRequest, signal: AbortSignal): Promise<WrittenObject> {
    const { key, bytes, md5, uploadId, condition } = request;
    const command = new this.#library.PutObjectCommand({
      ...this.#object(key),
      ...writeOptions(this.#settings, uploadId),
      ...this.#condition(condition),
      Body: bytes,
      ContentLength: bytes.length,
      ContentMD5: Buffer.from(md5).toString("base64"),
    });
    const answer = await this.#send(condition.type !== "none", () =>
      this.#client.send(command, { abortSignal: signal }),
    );
    const version = required(versionOf(answer.ETag));
    return {
      version,
      verified: version === Buffer.from(md5).toString("hex") || hasOpaqueETag(answer),
    };
  }

  async read(
    key: string,
    range: ReadRange | undefined,
    signal: AbortSignal,
  ): Promise<ReadResponse> {
    const command = new this.#library.GetObjectCommand({
      ...this.#object(key),
      ...keyOptions(this.#settings.sse),
      ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }),
    });
    const answer = await this.#send(false, () =>
      this.#client.send(command, { abortSignal: signal }),
    );
    const body = answer.Body;
    if (body === undefined || !("destroy" in body)) throw new Error("an answer without a body");
    // A body that breaks off after it was dropped has nobody to tell.
    body.on("error", () => {});
    return {
      version: required(versionOf(answer.ETag)),
      contentRange: answer.ContentRange,
      contentLength: answer.ContentLength,
      body,
      discard: () => body.destroy(),
    };
  }

  async head(key: string, signal: AbortSignal): Promise<StoredObject> {
    const command = new this.#library.HeadObjectCommand({
      ...this.#object(key),
      ...keyOptions(this.#settings.sse),
    });
    const answer = await this.#send(false, () =>
      this.#client.send(command, { abortSignal: signal }),
    );
    return {
      version: required(versionOf(answer.ETag)),
      sizeBytes: required(answer.ContentLength),
      uploadId: answer.Metadata?.[UPLOAD_ID_KEY],
    };
  }

  async delete(key: string, signal: AbortSignal): Promise<void> {
    const command = new this.#library.DeleteObjectCommand(this.#object(key));
    try {
      await this.#send(false, () => this.#client.send(command, { abortSignal: signal }));
    } catch (e) {
      if (!isFailure(e, "missing")) throw e;
    }
  }

  async list(request: ListRequest, signal: AbortSignal): Promise<ListResponse> {
    const command = new this.#library.ListObjectsV2Command({
      Bucket: this.#settings.bucket,
      Prefix: request.prefix,
      MaxKeys: request.maxKeys,
      ...(request.delimiter === undefined ? {} : { Delimiter: request.delimiter }),
      ...(request.page === undefined ? {} : { ContinuationToken: request.page }),
    });
    const answer = await this.#send(false, () =>
      this.#client.send(command, { abortSignal: signal }),
    );
    return {
      objects: (answer.Contents ?? []).map((object) => ({
        key: required(object.Key),
        sizeBytes: required(object.Size),
        version: required(versionOf(object.ETag)),
        modifiedUnixMs: object.LastModified?.getTime() ?? 0,
      })),
      prefixes: (answer.CommonPrefixes ?? []).map((common) => required(common.Prefix)),
      nextPage: answer.IsTruncated === true ? required(answer.NextContinuationToken) : undefined,
    };
  }

  async startUpload(request: UploadRequest, signal: AbortSignal): Promise<BucketUpload> {
    const object = this.#object(request.key);
    const command = new this.#library.CreateMultipartUploadCommand({
      ...object,
      ...writeOptions(this.#settings, request.uploadId),
    });
    const answer = await this.#send(false, () =>
      this.#client.send(command, { abortSignal: signal }),
    );
    return new S3Upload(this.#library, this.#client, {
      target: { ...object, UploadId: required(answer.UploadId) },
      key: keyOptions(this.#settings.sse),
      ifAbsent: request.condition.type === "absent" && this.conditionalWrites,
      opaqueETags: hasOpaqueETag(answer),
    });
  }

  close(): void {
    this.#client.destroy();
  }

  #object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#settings.bucket, Key: key };
  }

  #condition(condition: WriteCondition): { IfNoneMatch?: "*"; IfMatch?: string } {
    if (condition.type === "version") {
      const { version } = condition;
      return { IfMatch: this.#quotedIfMatch ? `"${version}"` : version };
    }
    return condition.type === "absent" && this.conditionalWrites ? { IfNoneMatch: "*" } : {};
  }

  async #send<T extends ServiceOutputTypes>(
    conditional: boolean,
    send: () => Promise<T>,
  ): Promise<T> {
    try {
      return await send();
    } catch (e) {
      throw s3Failure(e, conditional);
    }
  }
}

/** With these the ETag is no checksum; the bytes were checked by their MD5 all the same. */
function hasOpaqueETag(answer: {
  readonly ServerSideEncryption?: string | undefined;
  readonly SSECustomerAlgorithm?: string | undefined;
}): boolean {
  return (
    answer.ServerSideEncryption?.startsWith("aws:kms") === true ||
    answer.SSECustomerAlgorithm !== undefined
  );
}

export function required<T>(value: T | undefined): T {
  if (value === undefined) throw new RequestFailure("broken", "an answer that lacks a field");
  return value;
}
