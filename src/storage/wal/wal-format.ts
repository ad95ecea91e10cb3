import { crc32 } from "../../runtime/crc32.ts";
import type { Lsn, WalRange } from "../../schema/segment-meta.ts";

/** What goes into the WAL: a request body as received and what is needed to decode it the same way. */
export type WalEntry = {
  readonly tenant: string;
  /** `BodyFormat`; the WAL only keeps the number. */
  readonly format: number;
  /** `BodyEncoding`, likewise. */
  readonly encoding: number;
  readonly receivedUnixMs: number;
  readonly maxDecodedBytes: number;
  readonly body: Uint8Array;
};

export type WalRecord = WalEntry & {
  readonly lsn: Lsn;
  /** Position after the record. */
  readonly endLsn: Lsn;
};

/** The layout is described in README.md beside this file. */
export const HEADER_BYTES = 48;
export const MAGIC = [0x50, 0x54, 0x57, 0x31] as const; // "PTW1"
export const MAX_BODY_BYTES = 2 ** 30;
export const MAX_TENANT_BYTES = 0xffff;

export const RecordKind = { entry: 1, void: 2 } as const;

export type WalHeader = {
  readonly kind: number;
  readonly payloadCrc: number;
  readonly bodyBytes: number;
  readonly tenantBytes: number;
  readonly receivedUnixMs: number;
  readonly maxDecodedBytes: number;
  readonly format: number;
  readonly encoding: number;
  /** Of the whole record. */
  readonly totalBytes: number;
};

const U32 = 2 ** 32;
const utf8 = new TextEncoder();

/** Bytes that the entry takes in the WAL. */
export function entryBytes(tenant: Uint8Array, body: Uint8Array): number {
  return HEADER_BYTES + tenant.length + body.length;
}

export function encodeTenant(tenant: string): Uint8Array {
  return utf8.encode(tenant);
}

/** Header and tenant of an entry that begins at `lsn`; the body follows it. */
export function encodeEntryHead(entry: WalEntry, tenant: Uint8Array, lsn: Lsn): Uint8Array {
  const head = new Uint8Array(HEADER_BYTES + tenant.length);
  head.set(tenant, HEADER_BYTES);
  const view = new DataView(head.buffer);
  setU64(view, 24, Math.max(0, Math.trunc(entry.receivedUnixMs)));
  view.setUint32(32, Math.min(Math.max(0, Math.trunc(entry.maxDecodedBytes)), U32 - 1), true);
  view.setUint16(36, tenant.length, true);
  view.setUint8(39, entry.format);
  view.setUint8(40, entry.encoding);
  seal(view, RecordKind.entry, lsn, crc32(entry.body, crc32(tenant)), entry.body.length);
  return head;
}

/** A whole record that voids the records beginning in `ranges`. */
export function encodeVoid(ranges: readonly WalRange[], lsn: Lsn): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + ranges.length * 16);
  const view = new DataView(bytes.buffer);
  ranges.forEach(({ from, to }, i) => {
    setU64(view, HEADER_BYTES + i * 16, from);
    setU64(view, HEADER_BYTES + i * 16 + 8, to);
  });
  const body = bytes.subarray(HEADER_BYTES);
  seal(view, RecordKind.void, lsn, crc32(body), body.length);
  return bytes;
}

export function decodeVoid(body: Uint8Array): WalRange[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const ranges: WalRange[] = [];
  for (let at = 0; at + 16 <= body.length; at += 16) {
    ranges.push({ from: getU64(view, at), to: getU64(view, at + 8) });
  }
  return ranges;
}

/**
 * The header at the start of `bytes`, or `undefined` when it is none of a record at `lsn`. A header
 * is bound to its position, so a record that a sender put into a body is not taken for one of ours.
 */
export function decodeHeader(bytes: Uint8Array, lsn: Lsn): WalHeader | undefined {
  if (bytes.length < HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  if (view.getUint32(4, true) !== crc32(bytes.subarray(8, HEADER_BYTES))) return undefined;
  if (getU64(view, 8) !== lsn) return undefined;
  const kind = view.getUint8(38);
  const bodyBytes = view.getUint32(20, true);
  const tenantBytes = view.getUint16(36, true);
  if ((kind !== RecordKind.entry && kind !== RecordKind.void) || bodyBytes > MAX_BODY_BYTES) {
    return undefined;
  }
  return {
    kind,
    payloadCrc: view.getUint32(16, true),
    bodyBytes,
    tenantBytes,
    receivedUnixMs: getU64(view, 24),
    maxDecodedBytes: view.getUint32(32, true),
    format: view.getUint8(39),
    encoding: view.getUint8(40),
    totalBytes: HEADER_BYTES + tenantBytes + bodyBytes,
  };
}

const FILE_NAME = /^([0-9a-f]{16})\.wal$/;

export function walFileName(firstLsn: Lsn): string {
  return `${lsnHex(firstLsn)}.wal`;
}

export function lsnHex(lsn: Lsn): string {
  return lsn.toString(16).padStart(16, "0");
}

/** First LSNs of the WAL files among a folder's names, ascending. */
export function walFirstLsns(names: readonly string[]): Lsn[] {
  const lsns: Lsn[] = [];
  for (const name of names) {
    const hex = FILE_NAME.exec(name)?.[1];
    const lsn = hex === undefined ? Number.NaN : Number.parseInt(hex, 16);
    if (Number.isSafeInteger(lsn)) lsns.push(lsn);
  }
  return lsns.sort((a, b) => a - b);
}

function seal(view: DataView, kind: number, lsn: Lsn, payloadCrc: number, bodyBytes: number): void {
  MAGIC.forEach((byte, i) => {
    view.setUint8(i, byte);
  });
  setU64(view, 8, lsn);
  view.setUint32(16, payloadCrc, true);
  view.setUint32(20, bodyBytes, true);
  view.setUint8(38, kind);
  view.setUint32(4, crc32(new Uint8Array(view.buffer, 8, HEADER_BYTES - 8)), true);
}

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % U32, true);
  view.setUint32(at + 4, Math.floor(value / U32), true);
}

function getU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * U32 + view.getUint32(at, true);
}
