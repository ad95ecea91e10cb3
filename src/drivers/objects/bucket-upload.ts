import type { BucketUpload } from "./bucket-backend.ts";
import type { BucketWriter, WriteJob, WriteOutcome } from "./bucket-write.ts";
import type { ObjectSource } from "./object-store.ts";
import { isFailure, RequestFailure } from "./request-failure.ts";
import type { RequestLimiter } from "./request-limiter.ts";

/** S3's bound; GCS has none. */
const MAX_PARTS = 10_000;
/** Parts of one upload under way. */
const PARALLEL_PARTS = 4;
/** GCS takes multiples of this. */
const PART_STEP = 256 * 1024;
/** An upload is aborted even when the caller has gone, but not for ever. */
const ABORT_TIMEOUT_MS = 10_000;

/** Uploads `source` in parts, holding no more than those that are under way. */
export async function uploadInParts(
  writer: BucketWriter,
  slots: RequestLimiter,
  job: WriteJob,
  source: ObjectSource,
  configuredPartBytes: number,
): Promise<WriteOutcome> {
  const { what, signal, key, uploadId, condition } = job;
  if (condition.type === "absent") {
    // Not all stores look at the condition when an upload completes, and all bytes would be in vain.
    const found = await writer.runner.retry({ what, signal }, () => writer.find(key, signal));
    if (found !== undefined) return { outcome: "refused", found };
  }
  const sizeBytes = source.sizeBytes;
  const partBytes = partSize(sizeBytes, configuredPartBytes);
  const upload = await writer.runner.retry({ what, signal }, () =>
    writer.runner.request("start_upload", signal, {}, (s) =>
      writer.backend.startUpload({ key, sizeBytes, partBytes, uploadId, condition }, s),
    ),
  );
  try {
    await putParts(writer, slots, job, upload, source, partBytes);
    return await complete(writer, job, upload);
  } catch (e) {
    await writer.runner
      .request("abort_upload", AbortSignal.timeout(ABORT_TIMEOUT_MS), {}, (s) => upload.abort(s))
      // The store's own rule for stale uploads removes what stays; the first error is the cause.
      .catch(() => {});
    throw e;
  }
}

function partSize(sizeBytes: number, configured: number): number {
  if (sizeBytes <= configured * MAX_PARTS) return configured;
  return Math.ceil(sizeBytes / MAX_PARTS / PART_STEP) * PART_STEP;
}

async function putParts(
  writer: BucketWriter,
  slots: RequestLimiter,
  job: WriteJob,
  upload: BucketUpload,
  source: ObjectSource,
  partBytes: number,
): Promise<void> {
  const partCount = Math.ceil(source.sizeBytes / partBytes);
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  job.signal.addEventListener("abort", onAbort);
  if (job.signal.aborted) stop.abort();
  let next = 0;
  let failed: { readonly error: unknown } | undefined;
  const work = async () => {
    while (next < partCount && failed === undefined) {
      const index = next++;
      try {
        await slots.run(stop.signal, () =>
          putPart(writer, { ...job, signal: stop.signal }, upload, source, index, partBytes),
        );
      } catch (error) {
        failed ??= { error };
        stop.abort();
      }
    }
  };
  try {
    const workers = Math.min(PARALLEL_PARTS, upload.parallelParts, partCount);
    await Promise.all(Array.from({ length: workers }, work));
  } finally {
    job.signal.removeEventListener("abort", onAbort);
  }
  if (failed !== undefined) throw failed.error;
}

async function putPart(
  writer: BucketWriter,
  job: WriteJob,
  upload: BucketUpload,
  source: ObjectSource,
  index: number,
  partBytes: number,
): Promise<void> {
  const { what, signal } = job;
  const start = index * partBytes;
  const bytes = new Uint8Array(Math.min(partBytes, source.sizeBytes - start));
  const count = await source.read(bytes, start);
  if (count !== bytes.length) {
    throw new Error(`${what}: the body ends at ${start + count} of ${source.sizeBytes} bytes`);
  }
  await writer.runner.retry({ what, signal }, (previous) =>
    writer.runner.request("put_part", signal, { sentBytes: bytes.length }, (s) =>
      upload.putPart({ index, start, bytes, again: previous !== undefined }, s),
    ),
  );
}

function complete(
  writer: BucketWriter,
  job: WriteJob,
  upload: BucketUpload,
): Promise<WriteOutcome> {
  return writer.settle(job, async () => {
    try {
      return await writer.runner.request("complete_upload", job.signal, {}, (s) =>
        upload.complete(s),
      );
    } catch (e) {
      if (!isFailure(e, "missing")) throw e;
      // An upload is gone once it is complete: the answer to an earlier try was lost.
      const found = await writer.find(job.key, job.signal);
      if (found?.uploadId === job.uploadId) return { version: found.version, verified: true };
      throw new RequestFailure("server_error", "the store lost the upload", { cause: e });
    }
  });
}
