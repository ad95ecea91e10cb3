/**
 * XXH64 with seed 0 of `bytes[start .. end]`; the low and high halves go to `out[0]`, `out[1]`.
 * 64-bit products are put together from 32-bit ones: BigInt would cost ten times as much.
 */
export function xxh64(bytes: Uint8Array, start: number, end: number, out: Uint32Array): void {
  let at = start;
  const length = end - start;
  if (length >= 32) at = stripes(bytes, start, end);
  else set(P5L, P5H);
  addNumber(length);
  for (; at + 8 <= end; at += 8) {
    const hL = accL;
    const hH = accH;
    round(0, 0, u32(bytes, at), u32(bytes, at + 4));
    set(hL ^ accL, hH ^ accH);
    rotate(27);
    multiply(P1L, P1H);
    add(P4L, P4H);
  }
  if (at + 4 <= end) {
    const hL = accL;
    const hH = accH;
    set(u32(bytes, at), 0);
    multiply(P1L, P1H);
    set(hL ^ accL, hH ^ accH);
    rotate(23);
    multiply(P2L, P2H);
    add(P3L, P3H);
    at += 4;
  }
  for (; at < end; at++) {
    const hL = accL;
    const hH = accH;
    set(bytes[at]!, 0);
    multiply(P5L, P5H);
    set(hL ^ accL, hH ^ accH);
    rotate(11);
    multiply(P1L, P1H);
  }
  set(accL ^ (accH >>> 1), accH);
  multiply(P2L, P2H);
  set(accL ^ ((accL >>> 29) | (accH << 3)), accH ^ (accH >>> 29));
  multiply(P3L, P3H);
  out[0] = accL ^ accH;
  out[1] = accH;
}

const P1L = 0x85ebca87;
const P1H = 0x9e3779b1;
const P2L = 0x27d4eb4f;
const P2H = 0xc2b2ae3d;
const P3L = 0x9e3779f9;
const P3H = 0x165667b1;
const P4L = 0xc2b2ae63;
const P4H = 0x85ebca77;
const P5L = 0x165667c5;
const P5H = 0x27d4eb2f;

// The accumulator. Module variables, since the functions never yield in between.
let accL = 0;
let accH = 0;

/** The part for inputs of 32 bytes and more: leaves the merged lanes in the accumulator. */
function stripes(bytes: Uint8Array, start: number, end: number): number {
  const lanes = new Int32Array(8);
  set(P1L, P1H);
  add(P2L, P2H);
  lanes[0] = accL;
  lanes[1] = accH;
  lanes[2] = P2L;
  lanes[3] = P2H;
  set(~P1L, ~P1H);
  addNumber(1);
  lanes[6] = accL;
  lanes[7] = accH;
  let at = start;
  for (; at + 32 <= end; at += 32) {
    for (let lane = 0; lane < 4; lane++) {
      const from = at + 8 * lane;
      round(lanes[2 * lane]!, lanes[2 * lane + 1]!, u32(bytes, from), u32(bytes, from + 4));
      lanes[2 * lane] = accL;
      lanes[2 * lane + 1] = accH;
    }
  }
  let sumL = 0;
  let sumH = 0;
  for (let lane = 0; lane < 4; lane++) {
    set(lanes[2 * lane]!, lanes[2 * lane + 1]!);
    rotate(ROTATIONS[lane]!);
    add(sumL, sumH);
    sumL = accL;
    sumH = accH;
  }
  for (let lane = 0; lane < 4; lane++) {
    round(0, 0, lanes[2 * lane]!, lanes[2 * lane + 1]!);
    set(sumL ^ accL, sumH ^ accH);
    multiply(P1L, P1H);
    add(P4L, P4H);
    sumL = accL;
    sumH = accH;
  }
  return at;
}

const ROTATIONS = [1, 7, 12, 18];

/** acc = rotl(lane + input * P2, 31) * P1 */
function round(laneL: number, laneH: number, inputL: number, inputH: number): void {
  set(inputL, inputH);
  multiply(P2L, P2H);
  add(laneL, laneH);
  rotate(31);
  multiply(P1L, P1H);
}

function set(l: number, h: number): void {
  accL = l | 0;
  accH = h | 0;
}

function add(l: number, h: number): void {
  const sum = (accL >>> 0) + (l >>> 0);
  accH = (accH + h + (sum > 0xffffffff ? 1 : 0)) | 0;
  accL = sum | 0;
}

function addNumber(n: number): void {
  add(n, 0);
}

/** Rotates left by `bits`, 1 to 31. */
function rotate(bits: number): void {
  const l = accL;
  accL = (l << bits) | (accH >>> (32 - bits));
  accH = (accH << bits) | (l >>> (32 - bits));
}

function multiply(l: number, h: number): void {
  const a0 = accL & 0xffff;
  const a1 = accL >>> 16;
  const b0 = l & 0xffff;
  const b1 = l >>> 16;
  const low = a0 * b0;
  const mid = a1 * b0 + (low >>> 16);
  const mid2 = a0 * b1 + (mid & 0xffff);
  const carry = a1 * b1 + (mid >>> 16) + (mid2 >>> 16);
  accH = (carry + Math.imul(accL, h) + Math.imul(accH, l)) | 0;
  accL = ((mid2 & 0xffff) << 16) | (low & 0xffff);
}

function u32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
