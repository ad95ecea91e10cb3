import { type AttributeColumns, AttributeType } from "../../model/attribute-columns.ts";
import { DecodeError } from "../../model/decode-error.ts";
import { JsonReader } from "../shared/json-reader.ts";
import { type AttributeText, TypedValue } from "./attribute-text.ts";
import { MAX_ATTRIBUTES, tooManyAttributes } from "./limits.ts";

const BAR = 0x7c;

/**
 * What the Collector's exporter packs into an annotation's or a link tag's text: fields between
 * `|`, the last but one a JSON object of attributes (which may hold `|` itself), the last the number
 * of dropped attributes.
 */
export class PackedValue {
  /** Where each field of the last `split` begins; the one after the last ends `end + 1`. */
  readonly starts: number[] = [];
  readonly #text: AttributeText;
  readonly #json = new JsonReader(EMPTY);
  readonly #value = new TypedValue();

  constructor(text: AttributeText) {
    this.#text = text;
  }

  /**
   * Splits `bytes[start .. end]` into at least `fields` fields and returns true, or returns false
   * when there are fewer. Further `|` belong to the last but one.
   */
  split(bytes: Uint8Array, start: number, end: number, fields: number): boolean {
    const { starts } = this;
    starts.length = 0;
    starts.push(start);
    for (let i = start; i < end && starts.length < fields - 1; i++) {
      if (bytes[i] === BAR) starts.push(i + 1);
    }
    if (starts.length < fields - 1) return false;
    const last = bytes.subarray(0, end).lastIndexOf(BAR);
    if (last < starts.at(-1)!) return false;
    starts.push(last + 1, end + 1);
    return true;
  }

  /** Pushes the attributes of field `i`, a JSON object or null. */
  attributes(bytes: Uint8Array, i: number, columns: AttributeColumns): void {
    const json = this.#json;
    json.reset(bytes.subarray(this.starts[i]!, this.starts[i + 1]! - 1));
    if (json.takeNull()) {
      json.expectEnd();
      return;
    }
    json.beginObject();
    for (let first = true; json.nextKey(first); first = false) {
      if (columns.count - columns.offsets[columns.ownerCount]! >= MAX_ATTRIBUTES) {
        throw tooManyAttributes();
      }
      const key = this.#text.intern(json.text, json.start, json.end);
      this.#member(key, columns);
    }
    json.expectEnd();
  }

  /** The number of field `i`. */
  count(bytes: Uint8Array, i: number): number {
    const start = this.starts[i]!;
    const end = this.starts[i + 1]! - 1;
    let value = 0;
    for (let at = start; at < end; at++) {
      const digit = bytes[at]! - 0x30;
      value = digit < 0 || digit > 9 ? Number.NaN : value * 10 + digit;
      if (!(value <= 0xffff_ffff)) throw badCount();
    }
    if (start === end) throw badCount();
    return value;
  }

  /** Values that are neither texts, numbers nor booleans are passed over. */
  #member(key: number, columns: AttributeColumns): void {
    const json = this.#json;
    const value = this.#value;
    switch (json.peek()) {
      case 0x22: {
        json.string();
        const id = this.#text.intern(json.text, json.start, json.end);
        columns.push(key, AttributeType.string, id, 0);
        return;
      }
      case 0x74:
      case 0x66:
        value.setBool(json.boolean());
        break;
      case 0x6e:
      case 0x7b:
      case 0x5b:
        json.skip();
        return;
      default:
        value.setNumber(json.number());
    }
    columns.push(key, value.type, value.lo, value.hi);
  }
}

function badCount(): DecodeError {
  return new DecodeError("syntax", "the number of dropped attributes is not a 32-bit number");
}

const EMPTY = new Uint8Array(0);
