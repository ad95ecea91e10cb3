import { PintailError } from "../../errors.ts";
import { inParallel } from "../../util/in-parallel.ts";
import type { BucketUpload } from "./bucket-backend.ts";
import type { BucketWriter, WriteJob, WriteOutcome } from "./bucket-write.ts";
import type { ObjectSource } from "./object-store.ts";
import { isFailure, RequestFailure } from "./request-failure.ts";
import type { RequestLimiter } from "./request-limiter.ts";
import { unlessFailed } from "./request-runner.ts";

/** S3's bound; GCS has none. */
const MAX_PARTS = 10_000;
/** Parts of one upload under way. */
const PARALLEL_PARTS = 4;
/** GCS takes multiples of this. */
const PART_STEP = 256 * 1024;
/** An upload is aborted even when the caller has gone, but not for ever. */
const ABORT_TIMEOUT_MS = 10_000;
const RETRY_AFTER_MS = 1000;

/** Uploads `source` in parts, holding no more than those that are under way. */
export async function uploadInParts(
  writer: BucketWriter,
  slots: RequestLimiter,
  job: WriteJob,
  source: ObjectSource,
  configuredPartBytes: number,
): Promise<WriteOutcome> {
  const partBytes = partSize(source.sizeBytes, configuredPartBytes);
  const started = await start(writer, job, partBytes);
  if ("outcome" in started) return started;
  try {
    await putParts(writer, slots, job, started, source, partBytes);
    return await complete(writer, job, started);
  } catch (e) {
    await writer.runner
      .request("abort_upload", AbortSignal.timeout(ABORT_TIMEOUT_MS), {}, (s) => started.abort(s))
      // The store's own rule for stale uploads removes what stays; the first error is the cause.
      .catch(() => {});
    throw e;
  }
}

function start(
  writer: BucketWriter,
  { what, signal, key, uploadId, condition, sizeBytes }: WriteJob,
  partBytes: number,
): Promise<BucketUpload | WriteOutcome> {
  return writer.runner.retry({ what, signal }, async () => {
    if (condition.type === "absent") {
      // Not all stores look at the condition when an upload completes, and all bytes would be in
      // vain.
      const found = await writer.find(key, signal);
      if (found !== undefined) return { outcome: "refused", found };
    }
    return unlessFailed(
      "precondition",
      () =>
        writer.runner.request("start_upload", signal, {}, (s) =>
          writer.backend.startUpload({ key, sizeBytes, partBytes, uploadId, condition }, s),
        ),
      () => {
        throw new RequestFailure("busy", "somebody wrote it just now");
      },
    );
  });
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
  const parts = Array.from({ length: partCount }, (_, index) => index);
  try {
    await inParallel(parts, Math.min(PARALLEL_PARTS, upload.parallelParts), async (index) => {
      try {
        await slots.run(stop.signal, () =>
          putPart(writer, { ...job, signal: stop.signal }, upload, source, index, partBytes),
        );
      } catch (error) {
        // Those under way are not wanted any more.
        stop.abort();
        throw error;
      }
    });
  } finally {
    job.signal.removeEventListener("abort", onAbort);
  }
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
    unlessFailed(
      "missing",
      () =>
        writer.runner.request("put_part", signal, { sentBytes: bytes.length }, (s) =>
          upload.putPart({ index, start, bytes, again: previous !== undefined }, s),
        ),
      () => {
        throw lostUpload(what);
      },
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
      throw lostUpload(job.what);
    }
  });
}

/** Nothing that this call still can do helps; a new upload may. */
function lostUpload(what: string): PintailError {
  return new PintailError("unavailable", `cannot ${what}: the store lost the upload`, {
    retryAfterMs: RETRY_AFTER_MS,
  });
}
