import type { S3Client } from "@aws-sdk/client-s3";
import type { BucketUpload, UploadPart, WrittenObject } from "../bucket-backend.ts";
import { md5, md5Hex } from "../md5.ts";
import { isFailure, RequestFailure } from "../request-failure.ts";
import type { S3Library } from "./s3-client.ts";
import { s3Failure } from "./s3-failure.ts";
import { type S3KeyOptions, versionOf } from "./s3-write-options.ts";

type UploadTarget = { Bucket: string; Key: string; UploadId: string };

type SentPart = {
  readonly etag: string;
  readonly md5: Uint8Array;
  readonly isChecksum: boolean;
};

/** One multipart upload. */
export class S3Upload implements BucketUpload {
  readonly parallelParts = Number.POSITIVE_INFINITY;
  readonly #library: S3Library;
  readonly #client: S3Client;
  readonly #target: UploadTarget;
  readonly #key: S3KeyOptions;
  readonly #opaqueETags: boolean;
  readonly #parts: SentPart[] = [];
  #ifAbsent: boolean;

  constructor(
    library: S3Library,
    client: S3Client,
    options: {
      readonly target: UploadTarget;
      readonly key: S3KeyOptions;
      readonly ifAbsent: boolean;
      /** ETags are no checksums. */
      readonly opaqueETags: boolean;
    },
  ) {
    this.#library = library;
    this.#client = client;
    this.#target = options.target;
    this.#key = options.key;
    this.#ifAbsent = options.ifAbsent;
    this.#opaqueETags = options.opaqueETags;
  }

  async putPart({ index, bytes, again }: UploadPart, signal: AbortSignal): Promise<void> {
    const checksum = md5(bytes);
    const command = new this.#library.UploadPartCommand({
      ...this.#target,
      ...this.#key,
      PartNumber: index + 1,
      Body: bytes,
      ContentLength: bytes.length,
      ContentMD5: Buffer.from(checksum).toString("base64"),
    });
    const answer = await this.#send(false, () =>
      this.#client.send(command, { abortSignal: signal }),
    );
    const etag = versionOf(answer.ETag);
    if (etag === undefined) throw new RequestFailure("broken", "a part without an ETag");
    const isChecksum = etag === hex(checksum);
    this.#parts[index] = { etag, md5: checksum, isChecksum };
    // A wrong ETag makes the whole upload fail. Some stores have ETags that are no checksums: then
    // the second answer is the same.
    if (!isChecksum && !this.#opaqueETags && !again) {
      throw new RequestFailure("broken", "a part's ETag is not its checksum");
    }
  }

  async complete(signal: AbortSignal): Promise<WrittenObject> {
    try {
      return await this.#complete(signal);
    } catch (e) {
      if (!this.#ifAbsent || !isFailure(e, "unsupported")) throw e;
      // Some stores have conditions for small objects only; that nothing is there was looked up.
      this.#ifAbsent = false;
      return this.#complete(signal);
    }
  }

  async abort(signal: AbortSignal): Promise<void> {
    const command = new this.#library.AbortMultipartUploadCommand(this.#target);
    await this.#send(false, () => this.#client.send(command, { abortSignal: signal }));
  }

  async #complete(signal: AbortSignal): Promise<WrittenObject> {
    // Where one ETag is a checksum all are, whatever an answer said.
    const useChecksums = this.#parts.some((part) => part.isChecksum);
    const command = new this.#library.CompleteMultipartUploadCommand({
      ...this.#target,
      ...this.#key,
      ...(this.#ifAbsent ? { IfNoneMatch: "*" } : {}),
      MultipartUpload: {
        Parts: this.#parts.map((part, i) => ({
          ETag: `"${useChecksums ? hex(part.md5) : part.etag}"`,
          PartNumber: i + 1,
        })),
      },
    });
    const answer = await this.#send(this.#ifAbsent, () =>
      this.#client.send(command, { abortSignal: signal }),
    );
    const version = versionOf(answer.ETag);
    if (version === undefined) throw new RequestFailure("broken", "an object without an ETag");
    const checksum = `${md5Hex(Buffer.concat(this.#parts.map((p) => p.md5)))}-${this.#parts.length}`;
    return { version, verified: this.#opaqueETags || version === checksum };
  }

  async #send<T>(conditional: boolean, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (e) {
      throw s3Failure(e, conditional);
    }
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
