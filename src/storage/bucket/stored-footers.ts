import type { ListedObject, ObjectStore } from "../../drivers/objects/object-store.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import type { SegmentMeta } from "../../schema/segment-meta.ts";
import { inParallel } from "../../util/in-parallel.ts";
import { listSegments } from "./list-segments.ts";

/** Reads a segment's description from its footer; throws `corrupt` when the file is none. */
export type ReadMeta = (
  readAt: (offset: number, length: number) => Promise<Uint8Array>,
  fileSize: number,
) => Promise<SegmentMeta>;

export type StoredFootersParts = {
  readonly store: ObjectStore;
  readonly readMeta: ReadMeta;
  readonly signal: AbortSignal;
  /** Told of each object that is no segment; it stays where it is. */
  readonly onBadObject: (key: string, reason: string) => void;
};

/** An object that names a segment of ours; what it holds is not known yet. */
export type ListedSegment = ListedObject & {
  readonly segment: { readonly tenant: string; readonly id: string };
};

/** Footers read at a time: the time is the store's, most of it waiting. */
const PARALLEL = 16;
/** Longer than any footer of ours, so that a hostile object cannot fill the memory. */
const MAX_FOOTER_BYTES = 16 * 1024 * 1024;

/** The bucket's segments by their keys, page by page. Other objects are reported. */
export async function* storedSegments(
  parts: StoredFootersParts,
): AsyncGenerator<readonly ListedSegment[], void> {
  for await (const page of listSegments(parts.store, parts.signal)) {
    yield page.flatMap(({ segment, ...object }) => {
      if (segment !== undefined) return [{ ...object, segment }];
      parts.onBadObject(object.key, "its name is not that of a segment");
      return [];
    });
  }
}

/**
 * Descriptions of the objects, each with its `object` set, several read at once. Those that are no
 * segments or are gone are reported and passed over. Rejects when the store cannot be read.
 */
export async function readFooters(
  parts: StoredFootersParts,
  objects: readonly ListedSegment[],
  onRead: (meta: SegmentMeta, object: ListedSegment) => void,
): Promise<void> {
  await inParallel(objects, PARALLEL, async (object) => {
    const meta = await readFooter(parts, object);
    if (meta !== undefined) onRead(meta, object);
  });
}

async function readFooter(
  { store, readMeta, signal, onBadObject }: StoredFootersParts,
  { key, sizeBytes, version, segment }: ListedSegment,
): Promise<SegmentMeta | undefined> {
  const readAt = async (offset: number, length: number): Promise<Uint8Array> => {
    if (length > MAX_FOOTER_BYTES) {
      throw new PintailError("corrupt", `a footer of ${length} bytes, at most ${MAX_FOOTER_BYTES}`);
    }
    const range = { start: offset, end: offset + length };
    const options = { version, sizeBytes, mustExist: true, signal };
    const { parts } = await store.getRanges(key, [range], options);
    return parts[0] ?? new Uint8Array(0);
  };
  try {
    const meta = await readMeta(readAt, sizeBytes);
    if (meta.id === segment.id && meta.tenant === segment.tenant && meta.byteSize === sizeBytes) {
      return { ...meta, object: { version } };
    }
    onBadObject(key, `it describes segment ${meta.id} of tenant ${meta.tenant}`);
  } catch (e) {
    if (isPintailError(e) && e.kind !== "corrupt" && e.kind !== "not_found") throw e;
    onBadObject(key, e instanceof Error ? e.message : String(e));
  }
  return undefined;
}
