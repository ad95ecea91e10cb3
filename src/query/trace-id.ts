import { bytesToHex, hexToBytes } from "../util/hex.ts";

/** 32 lower-case hex digits of 16 bytes. */
export const traceIdToHex: (bytes: Uint8Array) => string = bytesToHex;

/** The reverse; `hex` has 32 digits. */
export const traceIdFromHex: (hex: string) => Uint8Array = hexToBytes;

/** Ids of 64 bits, as Jaeger and Zipkin know them, have no high half. */
export function shortTraceId(hex: string): string {
  return hex.startsWith("0000000000000000") ? hex.slice(16) : hex;
}

export function spanIdToHex(id: bigint): string {
  return id.toString(16).padStart(16, "0");
}
