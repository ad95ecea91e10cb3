import { nodeFiles } from "../files/node-files.ts";
import { BucketStore } from "./bucket-store.ts";
import { LocalStore } from "./local/local-store.ts";
import type { ObjectStore } from "./object-store.ts";
import type { ObjectStoreSettings } from "./settings.ts";
import type { ObjectStoreParts } from "./store-parts.ts";

/**
 * The store that the settings name. Loads the client of a bucket's kind only here, and sends nothing
 * yet. Throws `invalid` for settings that cannot work.
 */
export async function openObjectStore(
  parts: ObjectStoreParts,
  settings: ObjectStoreSettings,
): Promise<ObjectStore> {
  switch (settings.backend) {
    case "local":
      return LocalStore.open(nodeFiles(), parts, settings.local);
    case "s3": {
      const { openS3Bucket } = await import("./s3/s3-bucket.ts");
      return new BucketStore(await openS3Bucket(settings.s3), parts, settings.s3);
    }
    case "gcs": {
      const { openGcsBucket } = await import("./gcs/gcs-bucket.ts");
      return new BucketStore(await openGcsBucket(settings.gcs), parts, settings.gcs);
    }
    default:
      return settings satisfies never;
  }
}
