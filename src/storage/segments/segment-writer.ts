import type { Files } from "../../drivers/files/files.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import type { SegmentMeta, WalRange } from "../../schema/segment-meta.ts";
import { freeBuffer } from "../../util/free-buffer.ts";
import { writeSegment } from "./write-segment.ts";

export type SegmentWriterParts = {
  readonly files: Files;
  readonly segmentDir: string;
  readonly newId: () => string;
  readonly nowMs: () => number;
};

export type SegmentIdentity = {
  readonly tenant: string;
  readonly level: number;
  readonly walRange: WalRange | undefined;
  readonly replaces: readonly string[];
  /** The class whose traces alone are in the batch, if so. */
  readonly retentionClass?: string | undefined;
  /** Columns (`span.<key>`, `resource.<key>`) that queries asked for lately: preferred ones. */
  readonly usedKeys?: readonly string[] | undefined;
};

/** L0 files live for a minute: the fastest compression. Later ones live for days. */
const ZSTD_LEVEL_L0 = 1;
const ZSTD_LEVEL = 3;
/** A row group is what a lookup by id reads of a column, so not too large. */
const ROW_GROUP_ROWS = 61_440;

/**
 * Path of a segment's file. The folder is the tenant's id: its characters (letters, digits and
 * `!-_.*'()`, never `.` or `..`) are safe in a path.
 */
export function segmentPath(segmentDir: string, segment: { tenant: string; id: string }): string {
  return `${segmentDir}/${segment.tenant}/${segment.id}.parquet`;
}

/** The disk did not take a segment, which may be tried again when there is room for it. */
export class SegmentWriteError extends PintailError {
  /** Size of the whole file. */
  readonly byteSize: number;

  constructor(cause: PintailError, byteSize: number) {
    const { retryAfterMs } = cause;
    super(cause.kind, cause.message, { cause, ...(retryAfterMs && { retryAfterMs }) });
    this.byteSize = byteSize;
  }
}

/** Batches to durable segment files. A file exists whole under its name or not at all. */
export class SegmentWriter {
  readonly #parts: SegmentWriterParts;

  constructor(parts: SegmentWriterParts) {
    this.#parts = parts;
  }

  /** Throws `unavailable` (`SegmentWriteError`) when the disk is full; nothing is left behind then. */
  async write(batch: SpanBatch, identity: SegmentIdentity): Promise<SegmentMeta> {
    const { newId, nowMs } = this.#parts;
    const id = newId();
    const { chunks, meta } = writeSegment(batch, {
      ...identity,
      id,
      createdUnixMs: nowMs(),
      zstdLevel: identity.level === 0 ? ZSTD_LEVEL_L0 : ZSTD_LEVEL,
      rowGroupRows: ROW_GROUP_ROWS,
    });
    try {
      await this.#store(chunks, meta);
    } catch (e) {
      throw isPintailError(e, "unavailable") ? new SegmentWriteError(e, meta.byteSize) : e;
    }
    for (const { buffer } of chunks) freeBuffer(buffer);
    return meta;
  }

  async #store(chunks: readonly Uint8Array[], meta: SegmentMeta): Promise<void> {
    const { files, segmentDir } = this.#parts;
    const dir = `${segmentDir}/${meta.tenant}`;
    // Looked up each time: someone may have removed an empty folder.
    if ((await files.stat(dir)) === undefined) {
      await files.mkdir(dir);
      // Else a power loss could take the folder and all that is in it.
      await files.syncDir(segmentDir);
    }
    await files.writeFileAtomic(segmentPath(segmentDir, meta), chunks);
  }

  /** Deletes the files of segments that were never committed, or left the catalog. */
  async remove(segments: readonly { tenant: string; id: string }[]): Promise<void> {
    for (const segment of segments) {
      await this.#parts.files.unlink(segmentPath(this.#parts.segmentDir, segment));
    }
  }
}
