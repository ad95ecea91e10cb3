import { randomUUID } from "node:crypto";
import { BucketStore } from "../../../src/drivers/objects/bucket-store.ts";
import { openGcsBucket } from "../../../src/drivers/objects/gcs/gcs-bucket.ts";
import type { ObjectStore } from "../../../src/drivers/objects/object-store.ts";
import { openS3Bucket } from "../../../src/drivers/objects/s3/s3-bucket.ts";
import {
  DEFAULT_GCS,
  DEFAULT_RETRY,
  DEFAULT_S3,
  type GcsSettings,
  type RetrySettings,
  type S3Settings,
} from "../../../src/drivers/objects/settings.ts";
import type {
  ObjectStoreParts,
  ObservedRequest,
} from "../../../src/drivers/objects/store-parts.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { type GcsFake, startGcsFake } from "../../support/gcs-fake.ts";
import { seededRandom } from "../../support/random.ts";
import { type S3Fake, type S3FakeOptions, startS3Fake } from "../../support/s3-fake.ts";

/** Impatient, so that faults cost little time. */
export const TEST_RETRY: RetrySettings = {
  ...DEFAULT_RETRY,
  maxAttempts: 12,
  backoffInitialMs: 2,
  backoffMaxMs: 20,
  attemptTimeoutMs: 800,
};

/** Small, so that uploads in parts are cheap; fakes have no smallest size. */
export const TEST_PART_BYTES = 64 * 1024;

export type Observed = { readonly parts: ObjectStoreParts; readonly requests: ObservedRequest[] };

export function observedParts(): Observed {
  const requests: ObservedRequest[] = [];
  const parts: ObjectStoreParts = {
    clock: systemClock,
    random: seededRandom(1),
    newId: () => randomUUID(),
    onRequest: (request) => requests.push(request),
  };
  return { parts, requests };
}

export function s3FakeSettings(fake: S3Fake): S3Settings {
  return {
    ...DEFAULT_S3,
    bucket: fake.bucket,
    endpoint: fake.address,
    insecure: true,
    accessKey: fake.accessKey,
    secretKey: fake.secretKey,
    prefix: "a/prefix",
    retry: TEST_RETRY,
  };
}

export function gcsFakeSettings(fake: GcsFake): GcsSettings {
  return {
    ...DEFAULT_GCS,
    bucket: fake.bucket,
    endpoint: `http://${fake.address}`,
    insecure: true,
    prefix: "a/prefix",
    retry: TEST_RETRY,
  };
}

export type FakeStore<F> = {
  readonly fake: F;
  readonly store: ObjectStore;
  readonly requests: ObservedRequest[];
  close(): Promise<void>;
};

export async function openS3FakeStore(
  options: S3FakeOptions = {},
  changes: Partial<S3Settings> = {},
): Promise<FakeStore<S3Fake>> {
  const fake = await startS3Fake(options);
  const settings = { ...s3FakeSettings(fake), ...changes };
  const { parts, requests } = observedParts();
  const store = new BucketStore(await openS3Bucket(settings), parts, {
    ...settings,
    partBytes: TEST_PART_BYTES,
  });
  return { fake, store, requests, close: () => store.close().then(() => fake.close()) };
}

export async function openGcsFakeStore(
  options: { seed?: number } = {},
  changes: Partial<GcsSettings> = {},
): Promise<FakeStore<GcsFake>> {
  const fake = await startGcsFake(options);
  const settings = { ...gcsFakeSettings(fake), ...changes };
  const { parts, requests } = observedParts();
  const store = new BucketStore(await openGcsBucket(settings), parts, {
    ...settings,
    partBytes: TEST_PART_BYTES,
  });
  return { fake, store, requests, close: () => store.close().then(() => fake.close()) };
}
