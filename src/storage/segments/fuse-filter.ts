/**
 * A binary fuse filter with three slots a key and fingerprints of 16 bits, after Graf and Lemire,
 * "Binary Fuse Filters: Fast and Smaller Than Xor Filters" (2022). An absent key is taken for
 * present once in 65,536 times, for about 18 bits a key (more below some ten thousand keys).
 *
 * Bytes: `F`, version 1, log2 of the slots in a segment, 0; u32 count of segments that a key's first
 * slot may lie in; u32 seed; then the slots of those segments and of two more, u16 each. All little
 * endian. The length is 4 more than a multiple of 8.
 */
const MAGIC = 0x46;
const VERSION = 1;
const HEADER_BYTES = 12;

/** A key's second and third slot each take half a word of the hash. */
const MAX_SEGMENT_BITS = 16;
/** A longer filter is nobody's: no segment has nearly as many traces. */
const MAX_SLOTS = 1 << 26;
export const MAX_FUSE_KEYS = 1 << 24;
/**
 * One in some ten fails at worst, but for keys that have the same low half: their slots are told by the
 * high one alone, so that of many none may fit. Hashes of ids are not like that.
 */
const MAX_ATTEMPTS = 24;

/**
 * Of the keys, whose hashes are `hashes[2 * i]` (low half) and `hashes[2 * i + 1]`; the same key may
 * be there several times. Undefined when there are none, too many, or no seed fits, which is not to
 * be expected. The same hashes give the same bytes.
 */
export function buildFuseFilter(hashes: Uint32Array): Uint8Array<ArrayBuffer> | undefined {
  let keys = hashes;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const count = keys.length >>> 1;
    if (count === 0 || count > MAX_FUSE_KEYS) return undefined;
    const shape = shapeFor(count);
    const seed = Math.imul(attempt + 1, 0x9e3779b9) >>> 0;
    const slots = fillSlots(keys, shape, seed);
    if (slots !== undefined) return toBytes(slots, shape, seed);
    // A key that is there twice never finds a slot of its own.
    if (attempt === 0) keys = withoutCopies(keys);
  }
  return undefined;
}

/**
 * False when the hash is certainly none of the filter's keys; undefined when the bytes are not such a
 * filter.
 */
export function fuseContains(
  filter: Uint8Array,
  hashLo: number,
  hashHi: number,
): boolean | undefined {
  if (filter.length < HEADER_BYTES || filter[0] !== MAGIC || filter[1] !== VERSION)
    return undefined;
  const bits = filter[2]!;
  const firstSegments = u32(filter, 4);
  if (bits > MAX_SEGMENT_BITS || filter[3] !== 0 || firstSegments === 0) return undefined;
  const slots = (firstSegments + 2) * 2 ** bits;
  if (slots > MAX_SLOTS || filter.length !== HEADER_BYTES + 2 * slots) return undefined;
  const a = mixLow(hashLo, u32(filter, 8));
  const b = mixHigh(hashHi, a);
  const mask = (1 << bits) - 1;
  const first = scaled(b, firstSegments << bits);
  const second = (first + mask + 1) ^ (a & mask);
  const third = (first + 2 * (mask + 1)) ^ ((a >>> 16) & mask);
  return (slotAt(filter, first) ^ slotAt(filter, second) ^ slotAt(filter, third)) === printOf(a, b);
}

type Shape = {
  /** log2 of the slots in a segment. */
  readonly bits: number;
  readonly firstSegments: number;
};

/** The paper's sizes: what lets nearly every seed succeed. */
function shapeFor(count: number): Shape {
  const bits = Math.min(
    MAX_SEGMENT_BITS,
    count === 1 ? 2 : Math.floor(Math.log(count) / Math.log(3.33) + 2.25),
  );
  const factor =
    count === 1 ? 2 : Math.max(1.125, 0.875 + (0.25 * Math.log(1e6)) / Math.log(count));
  const segments = Math.ceil((count * factor) / 2 ** bits);
  return { bits, firstSegments: Math.max(1, segments - 2) };
}

/**
 * Slots such that the three of each key make its fingerprint by exclusive or. A slot that only one key
 * uses decides that key; taking it away leaves others alone. Undefined when that ends too early.
 */
function fillSlots(
  keys: Uint32Array,
  { bits, firstSegments }: Shape,
  seed: number,
): Uint16Array | undefined {
  const count = keys.length >>> 1;
  const size = 1 << bits;
  const mask = size - 1;
  const firstSlots = firstSegments * size;
  const slotCount = firstSlots + 2 * size;
  const mixed = new Uint32Array(2 * count);
  /** How many keys use a slot, and the exclusive or of their numbers: of one key, its number. */
  const users = new Uint8Array(slotCount);
  const user = new Uint32Array(slotCount);
  for (let key = 0; key < count; key++) {
    const a = mixLow(keys[2 * key]!, seed);
    const b = mixHigh(keys[2 * key + 1]!, a);
    mixed[2 * key] = a;
    mixed[2 * key + 1] = b;
    const first = scaled(b, firstSlots);
    const second = (first + size) ^ (a & mask);
    const third = (first + 2 * size) ^ ((a >>> 16) & mask);
    // More than a byte counts to is no distribution that works.
    if (users[first] === 255 || users[second] === 255 || users[third] === 255) return undefined;
    users[first]!++;
    users[second]!++;
    users[third]!++;
    user[first]! ^= key;
    user[second]! ^= key;
    user[third]! ^= key;
  }

  /** Slots with one user, then also the order in which they were taken. */
  const taken = new Uint32Array(slotCount);
  const keyOfTaken = new Uint32Array(count);
  let found = 0;
  for (let slot = 0; slot < slotCount; slot++) if (users[slot] === 1) taken[found++] = slot;
  let decided = 0;
  for (let at = 0; at < found; at++) {
    const slot = taken[at]!;
    if (users[slot] !== 1) continue;
    const key = user[slot]!;
    const a = mixed[2 * key]!;
    const first = scaled(mixed[2 * key + 1]!, firstSlots);
    const second = (first + size) ^ (a & mask);
    const third = (first + 2 * size) ^ ((a >>> 16) & mask);
    // `at` is never behind `decided`.
    taken[decided] = slot;
    keyOfTaken[decided++] = key;
    user[first]! ^= key;
    user[second]! ^= key;
    user[third]! ^= key;
    if (--users[first]! === 1) taken[found++] = first;
    if (--users[second]! === 1) taken[found++] = second;
    if (--users[third]! === 1) taken[found++] = third;
  }
  if (decided !== count) return undefined;

  const slots = new Uint16Array(slotCount);
  for (let at = count - 1; at >= 0; at--) {
    const key = keyOfTaken[at]!;
    const a = mixed[2 * key]!;
    const b = mixed[2 * key + 1]!;
    const first = scaled(b, firstSlots);
    const second = (first + size) ^ (a & mask);
    const third = (first + 2 * size) ^ ((a >>> 16) & mask);
    // The slot itself is still 0.
    slots[taken[at]!] = printOf(a, b) ^ slots[first]! ^ slots[second]! ^ slots[third]!;
  }
  return slots;
}

function toBytes(
  slots: Uint16Array,
  { bits, firstSegments }: Shape,
  seed: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + 2 * slots.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = MAGIC;
  bytes[1] = VERSION;
  bytes[2] = bits;
  view.setUint32(4, firstSegments, true);
  view.setUint32(8, seed, true);
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    bytes[HEADER_BYTES + 2 * i] = slot;
    bytes[HEADER_BYTES + 2 * i + 1] = slot >>> 8;
  }
  return bytes;
}

function withoutCopies(hashes: Uint32Array): Uint32Array {
  const sorted = hashes.slice();
  // As whole keys, in the order that this machine's bytes have: equal ones are then adjacent.
  new BigUint64Array(sorted.buffer, 0, sorted.length >>> 1).sort();
  let kept = 0;
  for (let at = 0; at + 1 < sorted.length; at += 2) {
    const isCopy =
      kept > 0 && sorted[at] === sorted[kept - 2] && sorted[at + 1] === sorted[kept - 1];
    if (isCopy) continue;
    sorted[kept++] = sorted[at]!;
    sorted[kept++] = sorted[at + 1]!;
  }
  return sorted.subarray(0, kept);
}

/** Together with `mixHigh` one to one for each seed, so that different hashes stay different. */
function mixLow(hashLo: number, seed: number): number {
  let a = Math.imul(hashLo ^ seed, 0x85ebca6b);
  a = Math.imul(a ^ (a >>> 15), 0xc2b2ae35);
  return (a ^ (a >>> 16)) >>> 0;
}

function mixHigh(hashHi: number, a: number): number {
  let b = Math.imul(hashHi ^ a, 0x2c1b3c6d);
  b = Math.imul(b ^ (b >>> 16), 0x297a2d39);
  return (b ^ (b >>> 15)) >>> 0;
}

/** 16 bits of both halves, which tell little about the slots. */
function printOf(a: number, b: number): number {
  const mixed = Math.imul(a ^ ((b << 16) | (b >>> 16)), 0x27d4eb2f);
  return (mixed ^ (mixed >>> 15)) & 0xffff;
}

/** `word` scaled to `[0, count)`; the same on every machine, since doubles are. */
function scaled(word: number, count: number): number {
  return Math.floor((word * count) / 4294967296);
}

function slotAt(filter: Uint8Array, slot: number): number {
  const at = HEADER_BYTES + 2 * slot;
  return filter[at]! | (filter[at + 1]! << 8);
}

function u32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}
