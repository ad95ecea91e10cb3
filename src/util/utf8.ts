const repairer = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** Whether `bytes[start .. end]` is well-formed UTF-8 (no surrogates, no overlong forms). */
export function isValidUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end) {
    const b = bytes[i]!;
    if (b < 0x80) {
      i++;
      continue;
    }
    // Bounds of the second byte: they rule out overlong forms, surrogates and what is past U+10FFFF.
    let low = 0x80;
    let high = 0xbf;
    let length: number;
    if (b < 0xc2) return false;
    if (b < 0xe0) length = 2;
    else if (b < 0xf0) {
      length = 3;
      if (b === 0xe0) low = 0xa0;
      else if (b === 0xed) high = 0x9f;
    } else if (b < 0xf5) {
      length = 4;
      if (b === 0xf0) low = 0x90;
      else if (b === 0xf4) high = 0x8f;
    } else return false;
    if (length > end - i) return false;
    const second = bytes[i + 1]!;
    if (second < low || second > high) return false;
    for (let k = i + 2; k < i + length; k++) if ((bytes[k]! & 0xc0) !== 0x80) return false;
    i += length;
  }
  return true;
}

/** A copy of `bytes[start .. end]` in which U+FFFD stands for what is not UTF-8. */
export function repairUtf8(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return encoder.encode(repairer.decode(bytes.subarray(start, end)));
}

/**
 * The end of `bytes[start .. end]` cut to at most `maxBytes` without splitting a character; `end`
 * when nothing is to cut.
 */
export function cutUtf8(bytes: Uint8Array, start: number, end: number, maxBytes: number): number {
  if (end - start <= maxBytes) return end;
  const cut = start + maxBytes;
  let at = cut;
  // A character has at most three continuation bytes; more of them are not UTF-8 anyway.
  while (at > start && cut - at < 3 && (bytes[at]! & 0xc0) === 0x80) at--;
  return (bytes[at]! & 0xc0) === 0x80 ? cut : at;
}
