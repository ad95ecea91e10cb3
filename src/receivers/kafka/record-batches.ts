import { isPintailError, PintailError } from "../../errors.ts";
import { decompressBody } from "../../ingest/decompress.ts";
import { BodyEncoding } from "../../ingest/ingest.ts";
import { TENANT_HEADER } from "../../server/tenant.ts";
import { concatBytes } from "../../util/concat-bytes.ts";
import { crc32c } from "../../util/crc32c.ts";

export type BatchItem =
  | {
      readonly type: "record";
      readonly offset: bigint;
      /** A view; undefined for a record without a value. */
      readonly value: Uint8Array | undefined;
      /** Values of its tenant header. */
      readonly tenants: readonly string[];
    }
  /** Everything before `next` was given out, or is no data. */
  | { readonly type: "end"; readonly next: bigint }
  /** What the batch before `next` holds beyond what was given out cannot be read. */
  | { readonly type: "unreadable"; readonly next: bigint; readonly error: PintailError };

/** Compressed batches are decompressed whole; larger ones are not read. */
export const MAX_BATCH_BYTES = 64 * 1024 * 1024;

/** Offsets in a batch of format 2, see Kafka's "Record Batch". */
const LENGTH_AT = 8;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_DELTA_AT = 23;
const COUNT_AT = 57;
const RECORDS_AT = 61;
/** What `length` counts begins here. */
const AFTER_LENGTH = 12;
const COMPRESSION = 0b111;
const CONTROL = 0b10_0000;

/**
 * The records of a fetch from offset `from` on, one after another, each batch decompressed when its
 * turn comes. A last batch that is cut short is left out: it comes whole with the next fetch.
 */
export function* readRecordBatches(bytes: Uint8Array, from: bigint): Generator<BatchItem> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at + RECORDS_AT <= bytes.length) {
    const baseOffset = view.getBigInt64(at);
    const end = at + AFTER_LENGTH + view.getInt32(at + LENGTH_AT);
    if (end > bytes.length) return;
    const magic = view.getInt8(at + MAGIC_AT);
    const lastDelta = magic < 2 ? 0 : view.getInt32(at + LAST_DELTA_AT);
    const next = baseOffset + BigInt(lastDelta) + 1n;
    if (end < at + RECORDS_AT || lastDelta < 0) throw malformed("batch header");
    if (next > from) {
      try {
        yield* readBatch(bytes.subarray(at, end), baseOffset, from);
        yield { type: "end", next };
      } catch (e) {
        if (!isPintailError(e)) throw e;
        yield { type: "unreadable", next, error: e };
      }
    }
    at = end;
  }
}

function* readBatch(batch: Uint8Array, baseOffset: bigint, from: bigint): Generator<BatchItem> {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const magic = view.getInt8(MAGIC_AT);
  if (magic !== 2) throw malformed(`batch format ${magic}, known is 2`);
  if (crc32c(batch, ATTRIBUTES_AT) !== view.getUint32(CRC_AT)) throw malformed("batch checksum");
  const attributes = view.getInt16(ATTRIBUTES_AT);
  if ((attributes & CONTROL) !== 0) return;
  const records = decompressed(attributes & COMPRESSION, batch.subarray(RECORDS_AT));
  const reader = new RecordReader(records);
  for (let count = view.getInt32(COUNT_AT); count > 0; count--) {
    const record = reader.next(baseOffset);
    if (record.offset >= from) yield record;
  }
}

function decompressed(codec: number, bytes: Uint8Array): Uint8Array {
  switch (codec) {
    case 0:
      return bytes;
    case 1:
      return decompressBody(bytes, BodyEncoding.gzip, MAX_BATCH_BYTES);
    case 2:
      return startsWith(bytes, XERIAL_MAGIC)
        ? xerialSnappy(bytes)
        : decompressBody(bytes, BodyEncoding.snappy, MAX_BATCH_BYTES);
    case 3:
      return decompressBody(bytes, BodyEncoding.lz4, MAX_BATCH_BYTES);
    case 4:
      return decompressBody(bytes, BodyEncoding.zstd, MAX_BATCH_BYTES);
    default:
      throw malformed(`compression ${codec}`);
  }
}

/** Java's producers cut the data and write the length before each block. */
const XERIAL_MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const XERIAL_HEADER_BYTES = 16;

function xerialSnappy(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks: Uint8Array[] = [];
  let total = 0;
  let at = XERIAL_HEADER_BYTES;
  while (at < bytes.length) {
    const start = at + 4;
    const end = start > bytes.length ? -1 : start + view.getUint32(at);
    if (end < start || end > bytes.length) throw malformed("snappy block length");
    const room = MAX_BATCH_BYTES - total;
    const block = decompressBody(bytes.subarray(start, end), BodyEncoding.snappy, room);
    blocks.push(block);
    total += block.length;
    at = end;
  }
  return concatBytes(blocks);
}

class RecordReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(baseOffset: bigint): Extract<BatchItem, { type: "record" }> {
    const length = this.#varint();
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw malformed("record length");
    // Attributes, which have no meaning, and the time.
    this.#at++;
    this.#skipVarint();
    const offset = baseOffset + BigInt(this.#varint());
    this.#field();
    const value = this.#field();
    const tenants: string[] = [];
    for (let headers = this.#varint(); headers > 0; headers--) {
      const name = this.#field();
      const content = this.#field();
      if (name !== undefined && content !== undefined && isTenantHeader(name)) {
        tenants.push(decoder.decode(content));
      }
    }
    if (this.#at > end) throw malformed("record longer than its length");
    this.#at = end;
    return { type: "record", offset, value, tenants };
  }

  /** Bytes with their length before them; a negative length stands for none. */
  #field(): Uint8Array | undefined {
    const length = this.#varint();
    if (length < 0) return undefined;
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw malformed("record field length");
    return this.#bytes.subarray(start, this.#at);
  }

  /** A zigzag varint of 32 bits. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw malformed("varint");
  }

  #skipVarint(): void {
    for (let length = 1; length <= 10; length++) if (this.#byte() < 0x80) return;
    throw malformed("varint");
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw malformed("record cut short");
    return byte;
  }
}

function isTenantHeader(name: Uint8Array): boolean {
  return (
    name.length === TENANT_HEADER.length && decoder.decode(name).toLowerCase() === TENANT_HEADER
  );
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

function malformed(what: string): PintailError {
  return new PintailError("malformed", `invalid Kafka records: ${what}`);
}

const decoder = new TextDecoder();
