import { crc32 } from "../../runtime/crc32.ts";
import { base64Decode, base64Encode } from "../../util/base64.ts";
import type { BloomPlaces, RowGroup } from "./parquet/footer.ts";
import { corrupt } from "./read/read-error.ts";

/**
 * In the footer: base64 of CRC-32s (32 bits, little endian), by row group and leaf of the page
 * headers of the chunk, which have those of the pages; then, in the same order, of the bloom filters.
 */
export const CHECKSUMS_KEY = "pintail.checksums";
/** The CRC-32 of the footer (FileMetaData), in which these eight hex digits count as zeros. */
export const FOOTER_CHECKSUM_KEY = "pintail.footer_checksum";
/** In the place of the digits before they are known. */
export const NO_CHECKSUM = new TextEncoder().encode("00000000");

export function encodeChecksums(
  rowGroups: readonly RowGroup[],
  blooms: BloomPlaces,
): Uint8Array<ArrayBuffer> {
  const chunks = rowGroups.flatMap(({ chunks }) => chunks);
  const filters = chunks.flatMap((chunk) => blooms.get(chunk) ?? []);
  const all = [...chunks.map(({ headersCrc }) => headersCrc), ...filters.map(({ crc }) => crc)];
  const view = new DataView(new ArrayBuffer(4 * all.length));
  for (const [i, crc] of all.entries()) view.setUint32(4 * i, crc, true);
  return base64Encode(new Uint8Array(view.buffer));
}

/** The CRC-32s of `encodeChecksums`; throws `corrupt` unless there are `count`. */
export function decodeChecksums(value: Uint8Array, count: number): Uint32Array {
  const bytes = base64Decode(new TextDecoder().decode(value));
  if (bytes?.length !== 4 * count) throw corrupt("checksums of other chunks");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
}

/** Writes the checksum into a footer that has `NO_CHECKSUM` in its place. */
export function fillFooterChecksum(footer: Uint8Array): void {
  const at = checksumPlace(footer);
  if (at === undefined) throw new Error("a footer without a place for its checksum");
  footer.set(digitsOf(footerCrc(footer, at)), at);
}

/**
 * Whether the footer has a checksum, which older ones do not have; throws `corrupt` when it is of
 * other bytes. To be asked before anything in the footer is believed.
 */
export function isChecked(footer: Uint8Array): boolean {
  const at = checksumPlace(footer);
  if (at === undefined) return false;
  if (digitsOf(footerCrc(footer, at)).every((byte, i) => footer[at + i] === byte)) return true;
  throw corrupt("the footer does not match its checksum");
}

/** Behind it are a few bytes for each column. */
const MAX_BEHIND_BYTES = 1 << 20;
/** The key, then the header and the length of the value's field. No text has these bytes. */
const MARK = new Uint8Array([...new TextEncoder().encode(FOOTER_CHECKSUM_KEY), 0x18, 8]);

/**
 * Where the digits are. Looked for from the end, not by parsing: a damaged footer may parse into
 * something without them.
 */
function checksumPlace(footer: Uint8Array): number | undefined {
  const last = footer.length - NO_CHECKSUM.length - MARK.length;
  for (let at = last; at >= Math.max(0, last - MAX_BEHIND_BYTES); at--) {
    if (footer[at] === MARK[0] && MARK.every((byte, i) => footer[at + i] === byte)) {
      return at + MARK.length;
    }
  }
  return undefined;
}

function footerCrc(footer: Uint8Array, at: number): number {
  const before = crc32(NO_CHECKSUM, crc32(footer.subarray(0, at)));
  return crc32(footer.subarray(at + NO_CHECKSUM.length), before);
}

function digitsOf(crc: number): Uint8Array {
  return new TextEncoder().encode(crc.toString(16).padStart(8, "0"));
}
