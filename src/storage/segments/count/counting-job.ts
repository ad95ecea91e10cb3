import type { SyncFiles } from "../../../drivers/files/files.ts";
import { isPintailError, PintailError } from "../../../errors.ts";
import { type CountRequest, countValues, type SegmentCounts } from "./count-values.ts";
import { CountingMemory } from "./counting-memory.ts";
import { MergedCounts } from "./merged-counts.ts";

/** A segment's file, and which of its rows to count. */
export type CountedFile = { readonly path: string } & Pick<CountRequest, "included" | "selected">;

/** What is counted of each file. */
export type FilesRequest = Pick<CountRequest, "columns" | "grid">;

export type CountingJob = {
  readonly files: readonly CountedFile[];
  readonly request: FilesRequest;
  /** One number; when it is not 0, the answer is no longer wanted. */
  readonly stop: SharedArrayBuffer;
};

/**
 * Counts of the first `fileCount` files of a job together, at least of one. If some columns were
 * refused, it is of one.
 */
export type FilesCounts = SegmentCounts & { readonly fileCount: number };

/** What is wrong is so with the first file. */
export type CountingOutcome =
  | { readonly type: "counted"; readonly counts: FilesCounts }
  /** Nobody waits. */
  | { readonly type: "none" }
  | { readonly type: "gone" }
  | { readonly type: "damaged"; readonly message: string }
  | { readonly type: "failed"; readonly error: unknown };

/** Does a job on a thread that waits for nothing else, one after the other. Never rejects. */
export async function runCountingJob(
  files: SyncFiles,
  { files: wanted, request, stop }: CountingJob,
  memory = new CountingMemory(),
): Promise<CountingOutcome> {
  const stopped = new Int32Array(stop);
  const throwIfOver = (): void => {
    if (Atomics.load(stopped, 0) !== 0) throw new PintailError("canceled", "query canceled");
  };
  memory.beginJob();
  const merged = new MergedCounts();
  let fileCount = 0;
  let refused: readonly string[] = [];
  for (const file of wanted) {
    try {
      const counts = await countFile(files, file, request, memory, throwIfOver);
      if (fileCount > 0 && counts.refused.length > 0) break;
      if (!merged.add(counts)) break;
      fileCount++;
      refused = counts.refused;
      if (refused.length > 0) break;
    } catch (error) {
      if (isPintailError(error, "canceled")) return { type: "none" };
      // It comes to light again when the file is the first of another job.
      if (fileCount > 0) break;
      if (!isPintailError(error, "unsupported")) return outcomeOf(error);
      fileCount = 1;
      refused = request.columns.map(({ name }) => name);
      break;
    }
  }
  return { type: "counted", counts: { ...merged.finish(), fileCount, refused } };
}

async function countFile(
  files: SyncFiles,
  { path, included, selected }: CountedFile,
  { columns, grid }: FilesRequest,
  memory: CountingMemory,
  throwIfOver: () => void,
): Promise<SegmentCounts> {
  const file = files.openReadSync(path);
  memory.begin();
  try {
    const readAt = async (offset: number, length: number): Promise<Uint8Array> => {
      const target = memory.bytes(length);
      return target.subarray(0, file.readSync(target, offset));
    };
    const request = { columns, grid, included, selected };
    return await countValues(readAt, file.sizeBytes, request, throwIfOver, memory);
  } finally {
    file.closeSync();
  }
}

function outcomeOf(error: unknown): CountingOutcome {
  if (isPintailError(error, "corrupt")) return { type: "damaged", message: error.message };
  if (isPintailError(error, "not_found")) return { type: "gone" };
  return { type: "failed", error };
}
