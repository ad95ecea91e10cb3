import { WireWriter } from "../../util/wire-writer.ts";
import { hexDigit, JsonReader } from "./json-reader.ts";
import { timeOf } from "./json-times.ts";

/** How a field is written in JSON and on the protobuf wire. */
export type JsonField = { readonly name: string; readonly number: number } & (
  | {
      readonly type:
        | "string"
        | "bytes"
        | "bool"
        | "int64"
        | "fixed64"
        | "uint32"
        | "fixed32"
        | "double"
        /** RFC 3339 text, a `google.protobuf.Timestamp` on the wire. */
        | "timestamp"
        /** Seconds with the unit `s`, a `google.protobuf.Duration` on the wire. */
        | "duration";
    }
  /** Hex text of this many bytes, or empty; where that is allowed, also base64. */
  | { readonly type: "id"; readonly bytes: number; readonly orBase64?: boolean }
  | { readonly type: "enum"; readonly names: readonly string[] }
  | { readonly type: "message"; readonly message: JsonMessage }
  | {
      readonly type: "messages";
      readonly message: JsonMessage;
      /** Whether null in the array is an empty message, so that others keep their places. */
      readonly nullIsEmpty?: true;
    }
);

/** Fields by name, in both spellings. Names that are not there are skipped. */
export type JsonMessage = Map<string, JsonField>;

export function jsonMessage(fields: readonly JsonField[]): JsonMessage {
  const map: JsonMessage = new Map();
  for (const field of fields) {
    const camel = field.name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    map.set(field.name, field);
    map.set(camel, field);
  }
  return map;
}

/**
 * Rewrites a message from JSON to its protobuf form in one pass. Names come in either spelling, enums
 * as number or name, 64-bit integers as number or string without loss; null is absent, unknown members
 * are skipped, and what follows the object is not looked at. Throws a `DecodeError`: `syntax`, or
 * `limit` for nesting beyond `MAX_JSON_DEPTH`.
 */
export function jsonToProtobuf(text: Uint8Array, message: JsonMessage): Uint8Array<ArrayBuffer> {
  const reader = new JsonReader(text);
  const writer = new WireWriter(text.length >>> 1);
  writeMessage(reader, writer, message);
  return writer.bytes.subarray(0, writer.length);
}

const WireType = { varint: 0, fixed64: 1, length: 2, fixed32: 5 } as const;

function writeMessage(reader: JsonReader, writer: WireWriter, message: JsonMessage): void {
  reader.beginObject();
  for (let first = true; ; first = false) {
    const name = reader.nextName(first);
    if (name === undefined) return;
    const field = message.get(name);
    if (field === undefined) reader.skip();
    else if (!reader.takeNull()) writeField(reader, writer, field);
  }
}

function writeField(reader: JsonReader, writer: WireWriter, field: JsonField): void {
  const at = reader.pos;
  const bad = (expected: string) => reader.error(`${field.name}: expected ${expected}`, at);
  switch (field.type) {
    case "string":
      tag(writer, field, WireType.length);
      if (!reader.isString()) throw bad("a string");
      reader.string();
      writer.varint32(reader.end - reader.start);
      writer.appendRange(reader.text, reader.start, reader.end);
      return;
    case "id":
      tag(writer, field, WireType.length);
      if (!reader.isString() || !writeId(reader, writer, field)) {
        const hex = `${2 * field.bytes} hex digits`;
        throw bad(field.orBase64 ? `${hex} or base64 of ${field.bytes} bytes` : hex);
      }
      return;
    case "bytes": {
      tag(writer, field, WireType.length);
      const bytes = reader.isString() ? fromBase64(reader.stringText()) : undefined;
      if (bytes === undefined) throw bad("padded base64");
      writer.varint32(bytes.length);
      writer.append(bytes);
      return;
    }
    case "bool":
      tag(writer, field, WireType.varint);
      writer.byte(reader.boolean() ? 1 : 0);
      return;
    case "enum": {
      tag(writer, field, WireType.varint);
      const number = reader.isString()
        ? field.names.indexOf(reader.stringText())
        : integer(reader.number(), -0x80000000n, 0x7fffffffn);
      if (number === undefined || number === -1) throw bad("an enum's number or name");
      writer.varint64(BigInt(number));
      return;
    }
    case "int64": {
      tag(writer, field, WireType.varint);
      const value = integer(numberText(reader), -(2n ** 63n), 2n ** 63n - 1n);
      if (value === undefined) throw bad("a 64-bit integer");
      writer.varint64(value);
      return;
    }
    case "fixed64": {
      tag(writer, field, WireType.fixed64);
      const value = integer(numberText(reader), 0n, 2n ** 64n - 1n);
      if (value === undefined) throw bad("an unsigned 64-bit integer");
      writer.fixed64(value);
      return;
    }
    case "uint32":
    case "fixed32": {
      tag(writer, field, field.type === "uint32" ? WireType.varint : WireType.fixed32);
      const value = integer(numberText(reader), 0n, 2n ** 32n - 1n);
      if (value === undefined) throw bad("an unsigned 32-bit integer");
      if (field.type === "uint32") writer.varint32(Number(value));
      else writer.fixed32(Number(value));
      return;
    }
    case "double": {
      tag(writer, field, WireType.fixed64);
      const value = double(numberText(reader));
      if (value === undefined) throw bad("a number");
      writer.double(value);
      return;
    }
    case "timestamp":
    case "duration": {
      tag(writer, field, WireType.length);
      const time = reader.isString() ? timeOf(field.type, reader.stringText()) : undefined;
      if (time === undefined) throw bad(`a ${field.type}`);
      const begin = writer.begin();
      writer.byte(0x08);
      writer.varint64(time.seconds);
      writer.byte(0x10);
      writer.varint64(BigInt(time.nanos));
      writer.end(begin);
      return;
    }
    case "message":
      writeNested(reader, writer, field, field.message);
      return;
    case "messages":
      reader.beginArray();
      for (let first = true; reader.nextElement(first); first = false) {
        if (!reader.takeNull()) writeNested(reader, writer, field, field.message);
        else if (field.nullIsEmpty) {
          tag(writer, field, WireType.length);
          writer.byte(0);
        }
      }
      return;
    default:
      field satisfies never;
  }
}

function writeNested(
  reader: JsonReader,
  writer: WireWriter,
  field: JsonField,
  message: JsonMessage,
): void {
  tag(writer, field, WireType.length);
  const begin = writer.begin();
  writeMessage(reader, writer, message);
  writer.end(begin);
}

function tag(writer: WireWriter, field: JsonField, wireType: number): void {
  writer.varint32((field.number << 3) | wireType);
}

/** Writes the id with its length and returns true, or returns false when it is not one. */
function writeId(
  reader: JsonReader,
  writer: WireWriter,
  { bytes, orBase64 = false }: { readonly bytes: number; readonly orBase64?: boolean },
): boolean {
  reader.string();
  const { text, start, end } = reader;
  if (start === end) {
    writer.byte(0);
    return true;
  }
  if (end - start !== 2 * bytes) {
    const id = orBase64 ? fromBase64(latin1(text, start, end)) : undefined;
    if (id?.length !== bytes) return false;
    writer.byte(bytes);
    writer.append(id);
    return true;
  }
  writer.byte(bytes);
  for (let i = start; i < end; i += 2) {
    const high = hexDigit(text[i]!);
    const low = hexDigit(text[i + 1]!);
    if (high < 0 || low < 0) return false;
    writer.byte((high << 4) | low);
  }
  return true;
}

/** Of an id's length at most; what is no base64 stays that. */
function latin1(text: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...text.subarray(start, Math.min(end, start + 64)));
}

function numberText(reader: JsonReader): string {
  return reader.isString() ? reader.stringText() : reader.number();
}

function integer(text: string, min: bigint, max: bigint): bigint | undefined {
  if (!/^-?[0-9]{1,20}$/.test(text)) return undefined;
  const value = BigInt(text);
  return value >= min && value <= max ? value : undefined;
}

function double(text: string): number | undefined {
  switch (text) {
    case "NaN":
      return Number.NaN;
    case "Infinity":
      return Number.POSITIVE_INFINITY;
    case "-Infinity":
      return Number.NEGATIVE_INFINITY;
  }
  if (!/^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
