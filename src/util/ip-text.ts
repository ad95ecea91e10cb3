/** Room for the text of any address. */
export const MAX_IP_TEXT_BYTES = 45;

const DOT = 0x2e;
const COLON = 0x3a;

/** Writes the IPv4 address of 4 bytes at `bytes[at]` as text into `out`; returns its length. */
export function writeIpv4(out: Uint8Array, bytes: Uint8Array, at: number): number {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    if (i > 0) out[length++] = DOT;
    const value = bytes[at + i]!;
    if (value >= 100) out[length++] = 0x30 + Math.trunc(value / 100);
    if (value >= 10) out[length++] = 0x30 + (Math.trunc(value / 10) % 10);
    out[length++] = 0x30 + (value % 10);
  }
  return length;
}

/**
 * Writes the IPv6 address of 16 bytes at `bytes[at]` into `out` in its canonical form (RFC 5952), or
 * as IPv4 when it is one in IPv6; returns the length.
 */
export function writeIpv6(out: Uint8Array, bytes: Uint8Array, at: number): number {
  if (isMappedIpv4(bytes, at)) return writeIpv4(out, bytes, at + 12);
  const group = (i: number): number => (bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]!;
  // The first longest run of two or more zero groups is left out.
  let run = 8;
  let runLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && group(i + length) === 0) length++;
    if (length > runLength) {
      run = i;
      runLength = length;
    }
    i += length;
  }
  let length = 0;
  for (let i = 0; i < 8; i++) {
    if (i === run) {
      out[length++] = COLON;
      out[length++] = COLON;
      i += runLength - 1;
      continue;
    }
    if (i > 0 && i !== run + runLength) out[length++] = COLON;
    for (const digit of group(i).toString(16)) out[length++] = digit.charCodeAt(0);
  }
  return length;
}

/** Whether `bytes[start .. end]` is an IPv4 address as `writeIpv4` writes it. */
export function isIpv4Text(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > 15) return false;
  let at = start;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && bytes[at++] !== DOT) return false;
    const first = at;
    let value = 0;
    while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39)
      value = value * 10 + bytes[at++]! - 0x30;
    const digits = at - first;
    if (digits === 0 || digits > 3 || value > 255) return false;
    if (digits > 1 && bytes[first] === 0x30) return false;
  }
  return at === end;
}

/** The 16 bytes of an IPv6 address in text form, without a zone; undefined when it is none. */
export function parseIpv6(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length > MAX_IP_TEXT_BYTES) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 1 ? [] : parseGroups(halves[1]!, true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  // `::` stands for at least one group.
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** Groups between colons; an IPv4 address may stand for the last two when `isLast`. */
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const ascii = encoder.encode(group);
    if (!isLast || i !== groups.length - 1 || !isIpv4Text(ascii, 0, ascii.length)) return undefined;
    bytes.push(...group.split(".").map(Number));
  }
  return bytes;
}

function isMappedIpv4(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 10; i++) if (bytes[i] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

const encoder = new TextEncoder();
