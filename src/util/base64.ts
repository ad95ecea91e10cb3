const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CODES = new TextEncoder().encode(ALPHABET);
const VALUES = new Int8Array(256).fill(-1);
for (let i = 0; i < 64; i++) VALUES[CODES[i]!] = i;

/** Padded base64 of `bytes`, as ASCII bytes. */
export function base64Encode(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4).fill(61);
  let at = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word =
      (bytes[i]! << 16) | ((left > 1 ? bytes[i + 1]! : 0) << 8) | (left > 2 ? bytes[i + 2]! : 0);
    out[at] = CODES[word >>> 18]!;
    out[at + 1] = CODES[(word >>> 12) & 63]!;
    if (left > 1) out[at + 2] = CODES[(word >>> 6) & 63]!;
    if (left > 2) out[at + 3] = CODES[word & 63]!;
    at += 4;
  }
  return out;
}

/** The bytes of padded base64 `text`, or `undefined` when it is not that. */
export function base64Decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  let word = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const value = i >= digits ? 0 : code < 256 ? VALUES[code]! : -1;
    if (value < 0) return undefined;
    word = (word << 6) | value;
    if ((i & 3) === 3) {
      for (let shift = 16; shift >= 0 && at < out.length; shift -= 8) out[at++] = word >>> shift;
      word = 0;
    }
  }
  return out;
}
