import { grownU32 } from "./attribute-columns.ts";

/**
 * Interned byte strings of one batch: equal bytes have equal ids, id 0 is the empty string. Bytes
 * come straight from the wire; nothing is decoded to a JS string here. The hash is seeded, so that
 * a sender cannot choose colliding strings.
 */
export class StringTable {
  count = 1;
  heap = new Uint8Array(1 << 16);
  /** String `i` is `heap[offsets[i] .. offsets[i + 1]]`; length ≥ count + 1. */
  offsets = new Uint32Array(1024);
  #hashes = new Uint32Array(1024);
  /** Open addressing: id + 1, or 0 for a free slot. Length is a power of two, at most half full. */
  #slots = new Uint32Array(2048);
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.offsets[1] = 0;
  }

  /** The id of `bytes[start .. end]`, which are copied when new. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    if (start === end) return 0;
    let h = this.#seed ^ (end - start);
    for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
    h ^= h >>> 15;
    h = Math.imul(h, 0x2c1b3c6d);
    h = (h ^ (h >>> 13)) >>> 0;
    let mask = this.#slots.length - 1;
    let slot = h & mask;
    for (;;) {
      const found = this.#slots[slot]!;
      if (found === 0) break;
      const id = found - 1;
      if (this.#hashes[id] === h && this.#equals(id, bytes, start, end)) return id;
      slot = (slot + 1) & mask;
    }
    const id = this.count;
    if (id * 2 >= this.#slots.length) {
      this.#rehash();
      mask = this.#slots.length - 1;
      slot = h & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    }
    this.#slots[slot] = id + 1;
    if (id + 1 >= this.offsets.length) {
      this.offsets = grownU32(this.offsets);
      this.#hashes = grownU32(this.#hashes);
    }
    this.#hashes[id] = h;
    const at = this.offsets[id]!;
    const length = end - start;
    if (at + length > this.heap.length) this.#growHeap(at + length);
    if (length < 48) for (let i = 0; i < length; i++) this.heap[at + i] = bytes[start + i]!;
    else this.heap.set(bytes.subarray(start, end), at);
    this.offsets[id + 1] = at + length;
    this.count = id + 1;
    return id;
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

  #equals(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const at = this.offsets[id]!;
    if (this.offsets[id + 1]! - at !== end - start) return false;
    for (let i = start, j = at; i < end; i++, j++) if (this.heap[j] !== bytes[i]) return false;
    return true;
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
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
