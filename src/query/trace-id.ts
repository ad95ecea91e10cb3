/** 32 lower-case hex digits of 16 bytes. */
export function traceIdToHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}

/** The reverse; `hex` has 32 digits. */
export function traceIdFromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Ids of 64 bits, as Jaeger and Zipkin know them, have no high half. */
export function shortTraceId(hex: string): string {
  return hex.startsWith("0000000000000000") ? hex.slice(16) : hex;
}

export function spanIdToHex(id: bigint): string {
  return id.toString(16).padStart(16, "0");
}
