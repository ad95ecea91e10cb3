const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * Makes ULIDs: 10 characters of milliseconds since 1970 and 16 random ones, Crockford base 32, so
 * that ids sort by time. Ids of one millisecond are random among themselves.
 */
export function ulidSource(
  nowUnixMs: () => number,
  fillRandom: (bytes: Uint8Array<ArrayBuffer>) => void = (bytes) => {
    crypto.getRandomValues(bytes);
  },
): () => string {
  const random = new Uint8Array(16);
  return () => {
    let time = Math.floor(nowUnixMs());
    let id = "";
    for (let i = 0; i < 10; i++) {
      id = ALPHABET[time % 32]! + id;
      time = Math.floor(time / 32);
    }
    fillRandom(random);
    // 256 is a multiple of 32, so each character is uniform.
    for (let i = 0; i < 16; i++) id += ALPHABET[random[i]! % 32]!;
    return id;
  };
}
