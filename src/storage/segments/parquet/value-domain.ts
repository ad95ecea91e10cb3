import type { StringTable } from "../../../model/string-table.ts";
import { doubleOf } from "../../../util/number-words.ts";
import { xxh64 } from "../../../util/xxh64.ts";
import type { ByteSink } from "./byte-sink.ts";

/**
 * Values known by small numbers. A column hands over ids; only the distinct ones of a row group are
 * ever looked at: to be written, compared, hashed.
 */
export type ValueDomain = {
  /** Ids are below this. */
  readonly size: number;
  /** Scratch of `size` entries, all 0 between uses; kept here so that it is allocated once. */
  readonly remap: Int32Array;
  /** Bytes of the value in PLAIN encoding. */
  plainBytes(id: number): number;
  writePlain(sink: ByteSink, id: number): void;
  compare(a: number, b: number): number;
  /** XXH64 of the value as bloom filters take it. */
  hash(id: number, out: Uint32Array): void;
  /** The value for statistics; `undefined` when it has no place in an order (NaN). */
  statBytes(id: number): Uint8Array | undefined;
};

export function stringDomain(strings: StringTable): ValueDomain {
  const { heap, offsets, count } = strings;
  return {
    size: count,
    remap: new Int32Array(count),
    plainBytes: (id) => 4 + offsets[id + 1]! - offsets[id]!,
    writePlain(sink, id) {
      const start = offsets[id]!;
      const end = offsets[id + 1]!;
      sink.u32(end - start);
      sink.append(heap, start, end);
    },
    compare(a, b) {
      let i = offsets[a]!;
      let j = offsets[b]!;
      const endA = offsets[a + 1]!;
      const endB = offsets[b + 1]!;
      for (; i < endA && j < endB; i++, j++) {
        if (heap[i] !== heap[j]) return heap[i]! - heap[j]!;
      }
      return endA - i - (endB - j);
    },
    hash: (id, out) => xxh64(heap, offsets[id]!, offsets[id + 1]!, out),
    statBytes: (id) => heap.subarray(offsets[id], offsets[id + 1]),
  };
}

/** 16-byte ids: id `i` is `bytes[16 * i ..]`. */
export function uuidDomain(bytes: Uint8Array, count: number): ValueDomain {
  return {
    size: count,
    remap: new Int32Array(count),
    plainBytes: () => 16,
    writePlain: (sink, id) => sink.append(bytes, 16 * id, 16 * id + 16),
    compare(a, b) {
      for (let i = 0; i < 16; i++) {
        const difference = bytes[16 * a + i]! - bytes[16 * b + i]!;
        if (difference !== 0) return difference;
      }
      return 0;
    },
    hash: (id, out) => xxh64(bytes, 16 * id, 16 * id + 16, out),
    statBytes: (id) => bytes.subarray(16 * id, 16 * id + 16),
  };
}

export type NumberOrder = "i32" | "u32" | "i64" | "u64" | "double";

/** Numbers of 4 or 8 bytes as halves; `hi` is not read for 4-byte ones. */
export function numberDomain(
  lo: Uint32Array,
  hi: Uint32Array,
  count: number,
  order: NumberOrder,
): ValueDomain {
  const wide = order !== "i32" && order !== "u32";
  return {
    size: count,
    remap: new Int32Array(count),
    plainBytes: () => (wide ? 8 : 4),
    writePlain(sink, id) {
      sink.u32(lo[id]!);
      if (wide) sink.u32(hi[id]!);
    },
    compare: (a, b) => compareNumbers(order, lo[a]!, hi[a]!, lo[b]!, hi[b]!),
    hash(id, out) {
      const bytes = numberBytes(lo[id]!, hi[id]!, wide);
      xxh64(bytes, 0, bytes.length, out);
    },
    statBytes: (id) => numberStatBytes(order, lo[id]!, hi[id]!),
  };
}

export function numberStatBytes(
  order: NumberOrder,
  lo: number,
  hi: number,
): Uint8Array | undefined {
  if (order === "double" && Number.isNaN(doubleOf(lo, hi))) return undefined;
  return numberBytes(lo, hi, order !== "i32" && order !== "u32");
}

export function compareNumbers(
  order: NumberOrder,
  aLo: number,
  aHi: number,
  bLo: number,
  bHi: number,
): number {
  switch (order) {
    case "u32":
      return aLo - bLo;
    case "i32":
      return (aLo | 0) - (bLo | 0);
    case "u64":
      return aHi === bHi ? aLo - bLo : aHi - bHi;
    case "i64":
      return aHi === bHi ? aLo - bLo : (aHi | 0) - (bHi | 0);
    case "double":
      return doubleOf(aLo, aHi) - doubleOf(bLo, bHi);
  }
}

function numberBytes(lo: number, hi: number, wide: boolean): Uint8Array {
  const bytes = new Uint8Array(wide ? 8 : 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, lo, true);
  if (wide) view.setUint32(4, hi, true);
  return bytes;
}
