import { doubleOf } from "../../../util/number-words.ts";
import type { TypeInfo } from "./schema.ts";
import {
  compareNumbers,
  type NumberOrder,
  numberStatBytes,
  type ValueDomain,
} from "./value-domain.ts";

/** Least and greatest value of a chunk in PLAIN form; a missing bound is not known. */
export type Bounds = {
  readonly min: Uint8Array | undefined;
  readonly max: Uint8Array | undefined;
  readonly minExact: boolean;
  readonly maxExact: boolean;
};

const MAX_BOUND_BYTES = 64;

export function codedBounds(
  domain: ValueDomain,
  ids: Uint32Array,
  count: number,
  order: TypeInfo["order"],
): Bounds | undefined {
  let min = ids[0]!;
  let max = min;
  for (let i = 0; i < count; i++) {
    const id = ids[i]!;
    if (order === "double" && domain.statBytes(id) === undefined) return undefined;
    if (domain.compare(id, min) < 0) min = id;
    else if (domain.compare(id, max) > 0) max = id;
  }
  const minBytes = domain.statBytes(min)!;
  const maxBytes = domain.statBytes(max)!;
  if (order === "double") return doubleBounds(minBytes, maxBytes);
  const shortMin = lowerBoundOf(minBytes);
  const shortMax = upperBoundOf(maxBytes);
  return {
    min: shortMin,
    max: shortMax,
    minExact: shortMin.length === minBytes.length,
    maxExact: shortMax?.length === maxBytes.length,
  };
}

/** Bounds of plainly written numbers: pairs lo, hi when 8 bytes wide. */
export function numberBounds(
  values: Uint32Array,
  count: number,
  order: NumberOrder,
): Bounds | undefined {
  const places =
    order === "i64" ? signedPlaces(values, count) : comparedPlaces(values, count, order);
  if (places === undefined) return undefined;
  const { min, max } = places;
  const minBytes = numberStatBytes(order, values[min]!, values[min + 1]!)!;
  const maxBytes = numberStatBytes(order, values[max]!, values[max + 1]!)!;
  if (order === "double") return doubleBounds(minBytes, maxBytes);
  return { min: minBytes, max: maxBytes, minExact: true, maxExact: true };
}

type Places = { readonly min: number; readonly max: number };

/** For the order that every segment has millions of values in. */
function signedPlaces(values: Uint32Array, count: number): Places {
  let min = 0;
  let max = 0;
  let minHi = values[1]! | 0;
  let maxHi = minHi;
  for (let i = 2; i < 2 * count; i += 2) {
    const hi = values[i + 1]! | 0;
    if (hi < minHi || (hi === minHi && values[i]! < values[min]!)) {
      min = i;
      minHi = hi;
    } else if (hi > maxHi || (hi === maxHi && values[i]! > values[max]!)) {
      max = i;
      maxHi = hi;
    }
  }
  return { min, max };
}

/** `undefined` when there is a NaN. */
function comparedPlaces(
  values: Uint32Array,
  count: number,
  order: NumberOrder,
): Places | undefined {
  const step = order === "i32" || order === "u32" ? 1 : 2;
  let min = 0;
  let max = 0;
  for (let i = 0; i < count * step; i += step) {
    const lo = values[i]!;
    const hi = values[i + 1]!;
    if (order === "double" && Number.isNaN(doubleOf(lo, hi))) return undefined;
    if (compareNumbers(order, lo, hi, values[min]!, values[min + 1]!) < 0) min = i;
    else if (compareNumbers(order, lo, hi, values[max]!, values[max + 1]!) > 0) max = i;
  }
  return { min, max };
}

export function rangeOfBools(values: Uint32Array, count: number): Bounds {
  let all = 1;
  let any = 0;
  for (let i = 0; i < count; i++) {
    all &= values[i]!;
    any |= values[i]!;
  }
  return {
    min: Uint8Array.of(all),
    max: Uint8Array.of(any),
    minExact: true,
    maxExact: true,
  };
}

/** Zeros are equal whatever their sign, so bounds of zero take the sign that includes both. */
function doubleBounds(min: Uint8Array, max: Uint8Array): Bounds {
  return { min: zeroSigned(min, 0x80), max: zeroSigned(max, 0), minExact: true, maxExact: true };
}

function zeroSigned(bytes: Uint8Array, sign: number): Uint8Array {
  if ((bytes[7]! & 127) !== 0) return bytes;
  for (let i = 0; i < 7; i++) if (bytes[i] !== 0) return bytes;
  const zero = new Uint8Array(8);
  zero[7] = sign;
  return zero;
}

/** A prefix is not above the whole. It ends between characters, as readers check UTF-8. */
function lowerBoundOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= MAX_BOUND_BYTES) return bytes;
  let end = MAX_BOUND_BYTES;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

/** A prefix whose last character is raised is above the whole. Only ASCII is raised: that is safe. */
function upperBoundOf(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length <= MAX_BOUND_BYTES) return bytes;
  let last = MAX_BOUND_BYTES - 1;
  while (last >= 0 && bytes[last]! >= 0x7e) last--;
  if (last < 0) return undefined;
  const raised = bytes.slice(0, last + 1);
  raised[last]!++;
  return raised;
}
