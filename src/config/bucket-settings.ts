import { DEFAULT_GCS, DEFAULT_RETRY, type GcsSettings } from "../drivers/objects/settings.ts";
import type { BucketSettings } from "../storage/settings.ts";
import type { ConfigValues } from "./config-values.ts";
import type { Env } from "./environment.ts";
import { MAX_PART_BYTES, s3Settings } from "./s3-settings.ts";

type Report = (problem: string) => void;

/** GCS takes parts in multiples of this. */
const GCS_PART_STEP_BYTES = 256 * 1024;
/** A key has 1024 bytes, of which our own names take 768. */
const MAX_PREFIX_BYTES = 255;

/**
 * The bucket that `storage.trace` names, undefined when segments rest on the local disk. `report` is
 * told what is wrong, beginning with the key; then the result is of no use.
 */
export function bucketSettings(
  values: ConfigValues,
  env: Env,
  report: Report,
): BucketSettings | undefined {
  const store = storeSettings(values, env, report);
  if (store === undefined) return undefined;
  for (const key of ["pintail.storage.cache_bytes", "pintail.storage.max_spill_bytes"]) {
    if (values.number(key) === 0) report(`${key} must be greater than 0`);
  }
  return {
    store,
    cacheBytes: values.number("pintail.storage.cache_bytes"),
    maxSpillBytes: values.number("pintail.storage.max_spill_bytes"),
    uploadAfterMs: values.durationMs("pintail.storage.upload_after"),
  };
}

function storeSettings(
  values: ConfigValues,
  env: Env,
  report: Report,
): BucketSettings["store"] | undefined {
  const backend = values.text("storage.trace.backend");
  switch (backend) {
    case "local":
      return undefined;
    case "s3":
      checkPrefix(values, "storage.trace.s3.prefix", report);
      return { backend, s3: s3Settings(values, env, report) };
    case "gcs":
      checkPrefix(values, "storage.trace.gcs.prefix", report);
      return { backend, gcs: gcsSettings(values, report) };
    case "azure":
      report(
        "storage.trace.backend azure is not supported: local, s3 (also of other vendors) and gcs are",
      );
      return undefined;
    default:
      report(`storage.trace.backend: unknown backend ${backend}`);
      return undefined;
  }
}

function gcsSettings(values: ConfigValues, report: Report): GcsSettings {
  const block = "storage.trace.gcs";
  const bucket = values.text(`${block}.bucket_name`);
  if (bucket === "") report(`${block}.bucket_name is not set`);
  const endpoint = values.text(`${block}.endpoint`);
  if (endpoint !== "" && (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint))) {
    report(`${block}.endpoint "${endpoint}" must be a URL`);
  }
  const retries = `${block}.max_retries`;
  const parts = Math.round(values.number(`${block}.chunk_buffer_size`) / GCS_PART_STEP_BYTES);
  return {
    ...DEFAULT_GCS,
    bucket,
    prefix: values.text(`${block}.prefix`),
    partBytes: Math.min(MAX_PART_BYTES, Math.max(1, parts) * GCS_PART_STEP_BYTES),
    retry: values.isSet(retries)
      ? { ...DEFAULT_RETRY, maxAttempts: values.number(retries) + 1 }
      : DEFAULT_RETRY,
    endpoint,
    insecure: values.bool(`${block}.insecure`),
    cacheControl: values.text(`${block}.object_cache_control`),
    metadata: values.map(`${block}.object_metadata`),
  };
}

function checkPrefix(values: ConfigValues, key: string, report: Report): void {
  const bytes = new TextEncoder().encode(values.text(key)).length;
  if (bytes > MAX_PREFIX_BYTES)
    report(`${key} has ${bytes} bytes, the limit is ${MAX_PREFIX_BYTES}`);
}

/** Keys that are set and mean nothing with the backend that is named. */
export function bucketWarnings(values: ConfigValues): readonly string[] {
  const backend = values.text("storage.trace.backend");
  if (backend === "local") {
    return values.hasAny("pintail.storage")
      ? ["pintail.storage has no effect with storage.trace.backend local"]
      : [];
  }
  return values.number("pintail.retention.max_disk_percent") > 0
    ? [`pintail.retention.max_disk_percent has no effect with storage.trace.backend ${backend}`]
    : [];
}
