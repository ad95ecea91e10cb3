import { isPintailError } from "../../../errors.ts";
import { freeExact } from "../../../runtime/compression.ts";
import { crc32 } from "../../../runtime/crc32.ts";
import { Encoding } from "../parquet/column-chunk.ts";
import type { ByteSource } from "./byte-source.ts";
import { MAX_HEADER_BYTES, type PageHeader, PageKind, readPageHeader } from "./page-header.ts";
import { corrupt, unsupported } from "./read-error.ts";
import type { ChunkPlace } from "./read-footer.ts";

export type PagePlace = PageHeader & { readonly bodyOffset: number };

/** Ours have a few dozen; hostile headers of a dozen bytes each would hold the thread. */
const MAX_PAGES = 1 << 16;

type Pages = { readonly dictionary: PagePlace | undefined; readonly data: readonly PagePlace[] };

/** The data pages of a chunk, with its dictionary, if any, through `visit` until it is done. */
export async function walkPages(
  source: ByteSource,
  chunk: ChunkPlace,
  visit: (page: PagePlace, dictionary: PagePlace | undefined) => Promise<"more" | "done">,
): Promise<void> {
  const { dictionary, data } = await pagesOf(source, chunk);
  for (const page of data) if ((await visit(page, dictionary)) === "done") return;
}

/** All page headers, since only all together they have a checksum. */
async function pagesOf(source: ByteSource, chunk: ChunkPlace): Promise<Pages> {
  const { checksums } = chunk;
  let dictionary: PagePlace | undefined;
  const data: PagePlace[] = [];
  let headersCrc = 0;
  try {
    for (let offset = chunk.start; offset < chunk.end; ) {
      const found = source.at(offset, Math.min(MAX_HEADER_BYTES, chunk.end - offset));
      const bytes = found instanceof Uint8Array ? found : await found;
      const header = readPageHeader(bytes);
      if (checksums) headersCrc = crc32(bytes.subarray(0, header.headerBytes), headersCrc);
      const page = { ...header, bodyOffset: offset + header.headerBytes };
      offset = page.bodyOffset + header.storedBytes;
      if (offset > chunk.end) throw corrupt("a page ends behind its chunk");
      if (header.kind === PageKind.data) data.push(page);
      else if (dictionary !== undefined || data.length > 0) {
        throw corrupt("a dictionary behind its values");
      } else if (header.encoding !== Encoding.plain) {
        throw unsupported(`a dictionary in encoding ${header.encoding}`);
      } else dictionary = page;
      if (data.length > MAX_PAGES) throw unsupported("a chunk of so many pages");
    }
  } catch (error) {
    // In a file of ours there is nothing else than what we know.
    if (checksums && isPintailError(error, "unsupported")) throw corrupt(error.message, error);
    throw error;
  }
  if (checksums && headersCrc !== checksums.headers) {
    throw corrupt("page headers do not match their checksum");
  }
  return { dictionary, data };
}

/** The page decompressed; `corrupt` when it is not as it was written. */
export async function pageBody(
  source: ByteSource,
  chunk: ChunkPlace,
  page: PagePlace,
): Promise<Uint8Array> {
  const stored = await checkedPage(source, chunk, page);
  return source.unpack(stored, page.bodyBytes, chunk.zstd);
}

/** Gives back the memory of a page's body that nobody looks at any more, where it was decompressed. */
export function freeBody(chunk: ChunkPlace, body: Uint8Array): void {
  if (chunk.zstd) freeExact(body);
}

/** The page as it is stored. */
async function checkedPage(
  source: ByteSource,
  { checksums }: ChunkPlace,
  { bodyOffset, storedBytes, crc }: PagePlace,
): Promise<Uint8Array> {
  const found = source.at(bodyOffset, storedBytes);
  const stored = found instanceof Uint8Array ? found : await found;
  if (crc === undefined) {
    if (checksums !== undefined) throw corrupt("a page without its checksum");
  } else if (crc32(stored) !== crc) throw corrupt("a page does not match its checksum");
  return stored;
}

/** Checks all pages of a chunk; throws `corrupt`. One of an older version is not looked at. */
export async function checkChunk(source: ByteSource, chunk: ChunkPlace): Promise<void> {
  if (chunk.checksums === undefined) return;
  const { dictionary, data } = await pagesOf(source, chunk);
  if (dictionary !== undefined) await checkedPage(source, chunk, dictionary);
  for (const page of data) await checkedPage(source, chunk, page);
}
