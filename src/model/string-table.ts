import { isValidUtf8, repairUtf8 } from "../util/utf8.ts";
import { grownU32 } from "./attribute-columns.ts";

/**
 * Interned strings of one batch: equal bytes have equal ids, id 0 is the empty string. Bytes come
 * straight from the wire; nothing is decoded to a JS string here. What is held is valid UTF-8:
 * U+FFFD replaces what was not. The hash is keyed, so that a sender cannot choose colliding strings.
 */
export class StringTable {
  count = 1;
  heap: Uint8Array<ArrayBuffer>;
  /** String `i` is `heap[offsets[i] .. offsets[i + 1]]`; length ≥ count + 1. */
  offsets: Uint32Array<ArrayBuffer>;
  #hashes: Int32Array<ArrayBuffer>;
  /** Open addressing: id + 1, or 0 for a free slot. Length is a power of two, at most half full. */
  #slots: Uint32Array<ArrayBuffer>;
  #recent = new Uint32Array(1024);
  #heapView: DataView<ArrayBuffer>;
  /** What was interned from last, and a view of it: reading words is what makes `intern` fast. */
  #source: Uint8Array<ArrayBuffer>;
  #sourceView: DataView<ArrayBuffer>;
  readonly seed: number;
  readonly #initial: number;
  readonly #key1: number;
  readonly #key2: number;
  readonly #raw: boolean;

  /**
   * A `raw` table takes any bytes and keeps them as they are. `strings` and `bytes` are room to begin
   * with; it grows when there is more.
   */
  constructor(seed: number, options: { raw?: boolean; strings?: number; bytes?: number } = {}) {
    const strings = Math.max(1023, options.strings ?? 0);
    this.heap = new Uint8Array(Math.max(1 << 16, options.bytes ?? 0));
    this.offsets = new Uint32Array(strings + 1);
    this.#hashes = new Int32Array(strings + 1);
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * strings + 2)));
    this.#heapView = new DataView(this.heap.buffer);
    this.#source = this.heap;
    this.#sourceView = this.#heapView;
    this.seed = seed >>> 0;
    this.#initial = mix(seed);
    this.#key1 = mix(seed + 0x9e3779b9) | 1;
    this.#key2 = mix(seed + 0x3c6ef372) | 1;
    this.#raw = options.raw ?? false;
    this.offsets[1] = 0;
  }

  /** Forgets all strings and keeps the room. Ids given before mean nothing afterwards. */
  reset(): void {
    this.count = 1;
    this.#slots.fill(0);
    this.#recent.fill(0);
  }

  /** The id of `bytes[start .. end]`, which are copied when new. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length === 0) return 0;
    if (bytes !== this.#source) this.#setSource(bytes);
    const view = this.#sourceView;
    let recent = 0;
    if (length >= 4) {
      recent = Math.imul(view.getInt32(start, true) ^ length, this.#key1);
      recent = Math.imul(recent ^ view.getInt32(end - 4, true), this.#key2) >>> 22;
    } else recent = Math.imul((bytes[start]! << 8) ^ bytes[end - 1]! ^ length, this.#key1) >>> 22;
    const guess = this.#recent[recent]!;
    if (guess !== 0 && this.holds(guess, bytes, start, end)) return guess;
    const id = this.#intern(bytes, start, end);
    this.#recent[recent] = id;
    return id;
  }

  #intern(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    const view = this.#sourceView;
    // Multiplying twice by secret factors, with a rotation between, leaves no difference between
    // two inputs that a later word could cancel whatever the seed.
    const key1 = this.#key1;
    const key2 = this.#key2;
    let h = this.#initial ^ length;
    let union = 0;
    if (length >= 4) {
      const last = end - 4;
      for (let i = start; i < last; i += 4) {
        const word = view.getInt32(i, true);
        union |= word;
        h = Math.imul(h ^ word, key1);
        h = Math.imul((h << 15) | (h >>> 17), key2);
      }
      // The last word overlaps the one before.
      const word = view.getInt32(last, true);
      union |= word;
      h = Math.imul(h ^ word, key1);
    } else {
      let word = 0;
      for (let i = start; i < end; i++) word = (word << 8) | bytes[i]!;
      union = word;
      h = Math.imul(h ^ word, key1);
    }
    h = Math.imul(h ^ (h >>> 15), key2);
    h ^= h >>> 13;

    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = h & mask;
    for (;;) {
      const found = slots[slot]!;
      if (found === 0) break;
      if (this.#hashes[found - 1] === h && this.holds(found - 1, bytes, start, end)) {
        return found - 1;
      }
      slot = (slot + 1) & mask;
    }
    if ((union & 0x80808080) !== 0 && !this.#raw && !isValidUtf8(bytes, start, end)) {
      const repaired = repairUtf8(bytes, start, end);
      return this.intern(repaired, 0, repaired.length);
    }
    return this.#insert(h, slot, start, end);
  }

  /** Whether string `id` is `bytes[start .. end]`. */
  holds(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const at = this.offsets[id]!;
    const length = end - start;
    if (this.offsets[id + 1]! - at !== length) return false;
    if (length < 4) {
      for (let i = 0; i < length; i++) if (this.heap[at + i] !== bytes[start + i]) return false;
      return true;
    }
    if (bytes !== this.#source) this.#setSource(bytes);
    const source = this.#sourceView;
    const heap = this.#heapView;
    const last = length - 4;
    for (let i = 0; i < last; i += 4) {
      if (heap.getInt32(at + i, true) !== source.getInt32(start + i, true)) return false;
    }
    return heap.getInt32(at + last, true) === source.getInt32(start + last, true);
  }

  internText(text: string): number {
    const bytes = encoder.encode(text);
    return this.intern(bytes, 0, bytes.length);
  }

  /** Bytes of string `id`; a view, valid until the table grows. */
  bytes(id: number): Uint8Array {
    return this.heap.subarray(this.offsets[id]!, this.offsets[id + 1]!);
  }

  text(id: number): string {
    return decoder.decode(this.bytes(id));
  }

  #insert(hash: number, freeSlot: number, start: number, end: number): number {
    const id = this.count;
    let slot = freeSlot;
    if (id * 2 >= this.#slots.length) {
      this.#rehash();
      const mask = this.#slots.length - 1;
      slot = hash & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    }
    this.#slots[slot] = id + 1;
    if (id + 1 >= this.offsets.length) {
      this.offsets = grownU32(this.offsets);
      const hashes = new Int32Array(this.#hashes.length * 2);
      hashes.set(this.#hashes);
      this.#hashes = hashes;
    }
    this.#hashes[id] = hash;
    const at = this.offsets[id]!;
    const length = end - start;
    const bytes = this.#source;
    if (at + length > this.heap.length) this.#growHeap(at + length);
    if (length < 48) {
      const heap = this.heap;
      for (let i = 0; i < length; i++) heap[at + i] = bytes[start + i]!;
    } else this.heap.set(bytes.subarray(start, end), at);
    this.offsets[id + 1] = at + length;
    this.count = id + 1;
    return id;
  }

  #setSource(bytes: Uint8Array): void {
    this.#source = bytes as Uint8Array<ArrayBuffer>;
    this.#sourceView = new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let id = 1; id < this.count; id++) {
      let slot = this.#hashes[id]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.#slots = slots;
  }

  #growHeap(atLeast: number): void {
    const heap = new Uint8Array(Math.max(this.heap.length * 2, atLeast));
    heap.set(this.heap);
    this.heap = heap;
    this.#heapView = new DataView(heap.buffer);
  }
}

/** Spreads a 32-bit number over 32 bits. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  return h ^ (h >>> 15);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
