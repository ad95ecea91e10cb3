import type { ReadFile } from "../../drivers/files/files.ts";
import type { RangesContent } from "../../drivers/objects/object-store.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { checkSegment } from "../segments/read/check-segment.ts";
import { readSegmentMeta } from "../segments/segment-footer.ts";

/** Holds the footer or most of it: its counts, values and offsets differ between any two segments. */
const TAIL_BYTES = 256 * 1024;

/**
 * Throws `corrupt` when the file is not the segment's, or not as it was written: the bucket would keep
 * the damage, and the local copy would go. Reads all of it, in portions.
 */
export async function checkLocalFile(file: ReadFile, segment: SegmentSummary): Promise<void> {
  const name = `the file of segment ${segment.id} (tenant ${segment.tenant})`;
  if (file.sizeBytes !== segment.byteSize) {
    throw new PintailError(
      "corrupt",
      `${name} has ${file.sizeBytes} bytes, expected ${segment.byteSize}`,
    );
  }
  const readAt = async (offset: number, length: number) => {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, await file.read(bytes, offset));
  };
  const { id, tenant } = await readSegmentMeta(readAt, file.sizeBytes);
  if (id !== segment.id || tenant !== segment.tenant) {
    throw new PintailError("corrupt", `${name} describes segment ${id} of tenant ${tenant}`);
  }
  try {
    await checkSegment(readAt, file.sizeBytes);
  } catch (cause) {
    if (!isPintailError(cause, "corrupt")) throw cause;
    throw new PintailError("corrupt", `${name} is damaged`, { cause });
  }
}

/** Whether an object of that size is what the file is, by its end. */
export async function isSameFile(
  file: ReadFile,
  objectBytes: number,
  readObject: (start: number, end: number) => Promise<RangesContent>,
): Promise<boolean> {
  if (objectBytes !== file.sizeBytes) return false;
  const start = Math.max(0, objectBytes - TAIL_BYTES);
  const { parts } = await readObject(start, objectBytes);
  const local = new Uint8Array(objectBytes - start);
  const count = await file.read(local, start);
  const [stored] = parts;
  return (
    count === local.length &&
    stored !== undefined &&
    stored.length === local.length &&
    stored.every((byte, i) => byte === local[i])
  );
}
