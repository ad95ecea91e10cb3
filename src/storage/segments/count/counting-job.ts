import type { SyncFiles } from "../../../drivers/files/files.ts";
import { isPintailError, PintailError } from "../../../errors.ts";
import { type CountRequest, countValues, type SegmentCounts } from "./count-values.ts";

export type CountingJob = {
  readonly path: string;
  readonly request: CountRequest;
  /** One number; when it is not 0, the answer is no longer wanted. */
  readonly stop: SharedArrayBuffer;
};

export type CountingOutcome =
  | { readonly type: "counted"; readonly counts: SegmentCounts }
  /** The file is none that the counter knows, or nobody waits. */
  | { readonly type: "none" }
  | { readonly type: "gone" }
  | { readonly type: "damaged"; readonly message: string }
  | { readonly type: "failed"; readonly error: unknown };

/** Does a job on a thread that waits for nothing else. Never rejects. */
export async function runCountingJob(
  files: SyncFiles,
  { path, request, stop }: CountingJob,
): Promise<CountingOutcome> {
  const stopped = new Int32Array(stop);
  const throwIfOver = (): void => {
    if (Atomics.load(stopped, 0) !== 0) throw new PintailError("canceled", "query canceled");
  };
  try {
    const file = files.openReadSync(path);
    try {
      const readAt = async (offset: number, length: number): Promise<Uint8Array> => {
        const target = new Uint8Array(length);
        return target.subarray(0, file.readSync(target, offset));
      };
      const counts = await countValues(readAt, file.sizeBytes, request, throwIfOver);
      return { type: "counted", counts };
    } finally {
      file.closeSync();
    }
  } catch (error) {
    if (isPintailError(error, "unsupported") || isPintailError(error, "canceled")) {
      return { type: "none" };
    }
    if (isPintailError(error, "corrupt")) return { type: "damaged", message: error.message };
    if (isPintailError(error, "not_found")) return { type: "gone" };
    return { type: "failed", error };
  }
}
