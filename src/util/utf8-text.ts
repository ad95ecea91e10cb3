// A leading BOM is data here, not a mark.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Text of UTF-8 bytes. Short ASCII, the usual case, does without the decoder. */
export function utf8Text(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > 64) return decoder.decode(bytes.subarray(start, end));
  let text = "";
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte > 127) return decoder.decode(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}
