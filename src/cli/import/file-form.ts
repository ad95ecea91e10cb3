import { MAX_PART_BYTES } from "./import-file-error.ts";

/**
 * - `json`: OTLP/JSON or an answer of Tempo's, one document or many;
 * - `protobuf`: one message, a TracesData, an ExportTraceServiceRequest or a Trace, which are alike;
 * - `framed-messages`: each behind its length in 32 bits, big endian, as the Collector writes them;
 * - `varint-messages`: each behind its length as a varint.
 */
export type FileForm = "json" | "protobuf" | "framed-messages" | "varint-messages" | "unknown";

/** So much of a file tells what it is, blanks before JSON included. */
export const BYTES_TO_KNOW = 4096;

/** Field 1, length-delimited: how each of these messages begins. */
const RESOURCE_SPANS_TAG = 0x0a;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/** What begins so: the first `BYTES_TO_KNOW` bytes, or all when there are fewer. */
export function formOf(start: Uint8Array): FileForm {
  if (beginsJson(start)) return "json";
  const first = start[0]!;
  if (first === RESOURCE_SPANS_TAG) return "protobuf";
  // No field has the number 0: these are the high bits of a length that we would take.
  if (first <= MAX_PART_BYTES >>> 24) return "framed-messages";
  if (messageAfterVarint(start)) return "varint-messages";
  return "unknown";
}

/** The bytes of a byte order mark, or 0. */
export function byteOrderMarkBytes(start: Uint8Array): number {
  return BYTE_ORDER_MARK.every((byte, i) => start[i] === byte) ? BYTE_ORDER_MARK.length : 0;
}

/** A bracket alone could be a length, so what follows it counts, too. */
function beginsJson(start: Uint8Array): boolean {
  const at = afterBlanks(start, byteOrderMarkBytes(start));
  const bracket = start[at];
  if (bracket === undefined) return true;
  if (bracket !== 0x7b && bracket !== 0x5b) return false;
  const next = start[afterBlanks(start, at + 1)];
  return next === undefined || next === 0x22 || next === 0x7b || next === 0x7d || next === 0x5d;
}

function afterBlanks(bytes: Uint8Array, from: number): number {
  let at = from;
  while ([0x20, 0x0a, 0x0d, 0x09].includes(bytes[at] ?? -1)) at++;
  return at;
}

function messageAfterVarint(start: Uint8Array): boolean {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    const byte = start[i];
    if (byte === undefined) return false;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return length <= MAX_PART_BYTES && start[i + 1] === RESOURCE_SPANS_TAG;
  }
  return false;
}
