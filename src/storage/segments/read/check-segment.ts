import { crc32 } from "../../../runtime/crc32.ts";
import { MAGIC } from "../parquet/footer.ts";
import { ByteSource } from "./byte-source.ts";
import { corrupt } from "./read-error.ts";
import {
  type ChunkPlace,
  loadFooter,
  type ReadAt,
  type ReadFooter,
  readExactly,
} from "./read-footer.ts";
import { checkChunk } from "./walk-pages.ts";

/** A larger chunk is read page by page. */
const MAX_WINDOW_BYTES = 4 << 20;

/** Throws `corrupt` when the bytes of the filter are not those that were written. */
export function checkBloom(stored: Uint8Array, { checksums }: ChunkPlace): void {
  if (checksums === undefined || crc32(stored) === checksums.bloom) return;
  throw corrupt("a filter does not match its checksum");
}

/**
 * Reads a segment's file from one end to the other and throws `corrupt` when it is not as it was
 * written, as far as that is known: of an older version only the footer is looked at. Holds 4 MiB or
 * one page at a time, and does no more than these take between two reads. Errors of `readAt`, which
 * may be the caller's way to stop, pass through.
 */
export async function checkSegment(readAt: ReadAt, fileSize: number): Promise<ReadFooter> {
  const footer = await loadFooter(readAt, fileSize);
  const start = await readExactly(readAt, 0, MAGIC.length);
  if (!MAGIC.every((byte, i) => start[i] === byte)) throw corrupt("it does not begin as Parquet");
  const chunks = footer.groups.flatMap((group) => group.chunks);
  await checkChunks(readAt, chunks);
  await checkBlooms(readAt, chunks);
  return footer;
}

/** Likewise for the pages of chunks, ascending. */
export async function checkChunks(readAt: ReadAt, chunks: readonly ChunkPlace[]): Promise<void> {
  if (chunks.every(({ checksums }) => checksums === undefined)) return;
  const source = new ByteSource(readAt);
  for (const [i, chunk] of chunks.entries()) {
    if (!source.has(chunk.start, chunk.end)) {
      const end = runEnd(chunks, i);
      if (end > chunk.start) await source.prefetch(chunk.start, end - chunk.start);
    }
    await checkChunk(source, chunk);
  }
}

/** Likewise for their bloom filters. */
export async function checkBlooms(readAt: ReadAt, chunks: readonly ChunkPlace[]): Promise<void> {
  for (const chunk of chunks) {
    const { bloomOffset, bloomBytes, checksums } = chunk;
    if (bloomBytes === 0 || checksums === undefined) continue;
    checkBloom(await readExactly(readAt, bloomOffset, bloomBytes), chunk);
  }
}

/** Where the chunks end that stand right behind each other, from the one at `i` on, in one window. */
function runEnd(chunks: readonly ChunkPlace[], i: number): number {
  const { start } = chunks[i]!;
  let end = start;
  for (let next = i; next < chunks.length; next++) {
    const chunk = chunks[next]!;
    if (chunk.start !== end || chunk.end - start > MAX_WINDOW_BYTES) break;
    end = chunk.end;
  }
  return end;
}
