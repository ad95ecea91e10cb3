import { loadSettings } from "../../src/config/load.ts";
import { SILENT_AFTER_MS } from "../../src/storage/bucket/bucket-owner.ts";
import { OWNER_KEY } from "../../src/storage/bucket/object-keys.ts";
import type { StartOptions } from "./pintail-process.ts";
import type { S3Fake } from "./s3-fake.ts";

export type S3Address = Pick<S3Fake, "bucket" | "address" | "accessKey" | "secretKey">;

/** Settings of a program whose segments rest in an S3 bucket, each uploaded soon. */
export function inBucket(
  { bucket, address, accessKey, secretKey }: { [K in keyof S3Address]: string },
  options: { readonly prefix?: string; readonly maxSpillBytes?: number } = {},
): Pick<StartOptions, "backend" | "extraYaml"> {
  const { prefix = "", maxSpillBytes = 1_000_000_000 } = options;
  return {
    backend: `backend: s3
s3:
  bucket: ${bucket}
  endpoint: "${address}"
  access_key: ${accessKey}
  secret_key: "${secretKey}"
  insecure: true
  forcepathstyle: true
  prefix: "${prefix}"
  retry_max_attempts: 2
`,
    extraYaml: `ingester: { max_block_duration: 1s }
pintail:
  storage: { upload_after: 1s, max_spill_bytes: ${maxSpillBytes} }
`,
  };
}

/** As if minutes had gone by since its owner was alive: an empty node may take the bucket over. */
export function ownerFellSilent({ objects }: Pick<S3Fake, "objects">): void {
  const owner = objects.get(OWNER_KEY);
  if (owner === undefined) throw new Error("the bucket has no owner");
  const record = JSON.parse(Buffer.from(owner.bytes).toString()) as { renewedUnixMs: number };
  const renewedUnixMs = record.renewedUnixMs - SILENT_AFTER_MS;
  const bytes = Buffer.from(JSON.stringify({ ...record, renewedUnixMs }));
  objects.set(OWNER_KEY, { ...owner, bytes });
}

/** Whether the settings file can name a bucket. */
export function knowsBuckets(): boolean {
  const { backend, extraYaml } = inBucket({
    bucket: "b",
    address: "localhost:1",
    accessKey: "a",
    secretKey: "s",
  });
  const indented = backend!.replace(/^/gm, "    ");
  const text = `storage:\n  trace:\n${indented}\n${extraYaml}`;
  try {
    const loaded = loadSettings({ args: ["-config.file=x"], env: {}, readFile: () => text });
    return loaded.action === "run" && loaded.settings.bucket !== undefined;
  } catch {
    return false;
  }
}
