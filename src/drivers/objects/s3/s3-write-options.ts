import { UPLOAD_ID_KEY } from "../bucket-backend.ts";
import type { S3Encryption, S3Settings } from "../settings.ts";

/** What every read of an object encrypted with our own key must carry. */
export type S3KeyOptions = {
  readonly SSECustomerAlgorithm?: "AES256";
  readonly SSECustomerKey?: string;
};

export type S3WriteOptions = S3KeyOptions & {
  readonly ServerSideEncryption?: "AES256" | "aws:kms";
  readonly SSEKMSKeyId?: string;
  readonly SSEKMSEncryptionContext?: string;
  readonly StorageClass?: "STANDARD";
  readonly Tagging?: string;
  readonly Metadata: Record<string, string>;
};

export function keyOptions(sse: S3Encryption | undefined): S3KeyOptions {
  if (sse?.type !== "SSE-C") return {};
  const key = Buffer.from(sse.encryptionKey, "utf8").toString("base64");
  return { SSECustomerAlgorithm: "AES256", SSECustomerKey: key };
}

/** What a new object gets, however it is uploaded. */
export function writeOptions(settings: S3Settings, uploadId: string): S3WriteOptions {
  const tags = new URLSearchParams(settings.tags).toString();
  return {
    ...keyOptions(settings.sse),
    ...serverKey(settings.sse),
    // Stores have classes of their own names; the client sends any text.
    ...(settings.storageClass === "" ? {} : { StorageClass: settings.storageClass as "STANDARD" }),
    ...(tags === "" ? {} : { Tagging: tags }),
    Metadata: { ...settings.metadata, [UPLOAD_ID_KEY]: uploadId },
  };
}

function serverKey(sse: S3Encryption | undefined): Omit<S3WriteOptions, "Metadata"> {
  if (sse?.type === "SSE-S3") return { ServerSideEncryption: "AES256" };
  if (sse?.type !== "SSE-KMS") return {};
  const context = sse.kmsEncryptionContext;
  return {
    ServerSideEncryption: "aws:kms",
    ...(sse.kmsKeyId === "" ? {} : { SSEKMSKeyId: sse.kmsKeyId }),
    ...(context === ""
      ? {}
      : { SSEKMSEncryptionContext: Buffer.from(context, "utf8").toString("base64") }),
  };
}

/** An ETag as a version: without quotes. `undefined` for none. */
export function versionOf(etag: string | undefined): string | undefined {
  const text = etag?.replace(/^W\//, "").replace(/^"|"$/g, "");
  return text === "" ? undefined : text;
}
