import { DecodeError } from "../../model/decode-error.ts";
import type { WireReader } from "../../util/wire-reader.ts";

/** How deep arrays and kvlists may nest in one attribute. */
export const MAX_VALUE_DEPTH = 64;

/** Parts of one message: start, end, start, end … Protobuf merges a message that occurs repeatedly. */
type Ranges = readonly number[];

const Member = {
  string: 1,
  bool: 2,
  int: 3,
  double: 4,
  array: 5,
  kvlist: 6,
  bytes: 7,
  strindex: 8,
} as const;

/**
 * The OTLP/JSON text of an AnyValue, as `AttributeType.json` wants it: what is unset or the default
 * of a repeated field is left out, as in protobuf's JSON mapping; -0 stays -0. Rarely used, so it
 * builds JS strings.
 */
export function anyValueText(reader: WireReader, ranges: Ranges): string {
  const resume = reader.pos;
  const text = value(reader, ranges, 0);
  reader.pos = resume;
  return text;
}

function value(reader: WireReader, ranges: Ranges, depth: number): string {
  let member = 0;
  // Of array and kvlist all parts, of string and bytes the last one.
  let content: number[] = [];
  let number = "";
  for (let i = 0; i < ranges.length; i += 2) {
    reader.pos = ranges[i]!;
    const end = ranges[i + 1]!;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      const before: number = member;
      switch (tag) {
        case 0x0a:
        case 0x2a:
        case 0x32:
        case 0x3a: {
          member = tag >>> 3;
          const contentEnd = reader.sub(end);
          const merges = member === before && (member === Member.array || member === Member.kvlist);
          if (!merges) content = [];
          content.push(reader.pos, contentEnd);
          reader.pos = contentEnd;
          break;
        }
        case 0x10:
          member = Member.bool;
          number = (reader.varint(end) | reader.hi) === 0 ? "false" : "true";
          break;
        case 0x18: {
          member = Member.int;
          const lo = reader.varint(end) >>> 0;
          number = ((BigInt(reader.hi) << 32n) | BigInt(lo)).toString();
          break;
        }
        case 0x21:
          member = Member.double;
          number = doubleText(reader.view.getFloat64(reader.fixed64(end), true));
          break;
        case 0x40:
          member = Member.strindex;
          reader.varint(end);
          break;
        default:
          reader.skip(tag, 0b1_1111_1110, end);
      }
    }
  }
  switch (member) {
    case Member.string:
      return `{"stringValue":${stringText(reader, content[0]!, content[1]!)}}`;
    case Member.bool:
      return `{"boolValue":${number}}`;
    case Member.int:
      return `{"intValue":"${number}"}`;
    case Member.double:
      return `{"doubleValue":${number}}`;
    case Member.bytes:
      return `{"bytesValue":"${base64(reader.bytes.subarray(content[0]!, content[1]!))}"}`;
    case Member.array:
      return `{"arrayValue":${values(reader, content, depth + 1, value)}}`;
    case Member.kvlist:
      return `{"kvlistValue":${values(reader, content, depth + 1, keyValue)}}`;
    default:
      return "{}";
  }
}

/** The `values` of an ArrayValue or a KeyValueList. */
function values(
  reader: WireReader,
  ranges: Ranges,
  depth: number,
  item: (reader: WireReader, ranges: Ranges, depth: number) => string,
): string {
  if (depth > MAX_VALUE_DEPTH) {
    throw new DecodeError("limit", `attribute value nests deeper than ${MAX_VALUE_DEPTH} levels`);
  }
  const items: string[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    reader.pos = ranges[i]!;
    const end = ranges[i + 1]!;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag !== 0x0a) {
        reader.skip(tag, 0b10, end);
        continue;
      }
      const itemEnd = reader.sub(end);
      items.push(item(reader, [reader.pos, itemEnd], depth));
      reader.pos = itemEnd;
    }
  }
  return items.length === 0 ? "{}" : `{"values":[${items.join(",")}]}`;
}

function keyValue(reader: WireReader, ranges: Ranges, depth: number): string {
  reader.pos = ranges[0]!;
  const end = ranges[1]!;
  let key = "";
  const parts: number[] = [];
  while (reader.pos < end) {
    const tag = reader.tag(end);
    switch (tag) {
      case 0x0a: {
        const keyEnd = reader.sub(end);
        key = keyEnd === reader.pos ? "" : stringText(reader, reader.pos, keyEnd);
        reader.pos = keyEnd;
        break;
      }
      case 0x12: {
        const valueEnd = reader.sub(end);
        parts.push(reader.pos, valueEnd);
        reader.pos = valueEnd;
        break;
      }
      case 0x18:
        reader.varint(end);
        break;
      default:
        reader.skip(tag, 0b1110, end);
    }
  }
  const fields: string[] = [];
  if (key !== "") fields.push(`"key":${key}`);
  if (parts.length > 0) fields.push(`"value":${value(reader, parts, depth)}`);
  return `{${fields.join(",")}}`;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function stringText(reader: WireReader, start: number, end: number): string {
  return JSON.stringify(decoder.decode(reader.bytes.subarray(start, end)));
}

function doubleText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
  return `"${value}"`;
}

function base64(bytes: Uint8Array): string {
  const parts: string[] = [];
  // Pieces of a multiple of three bytes, small enough for an argument list.
  for (let i = 0; i < bytes.length; i += 12_288) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(i, i + 12_288))));
  }
  return parts.join("");
}
