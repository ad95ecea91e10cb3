import { DecodeError } from "../../model/decode-error.ts";
import { WireWriter } from "../../util/wire-writer.ts";

/** How deep objects and arrays may nest: 64 levels of AnyValue take three each. */
export const MAX_JSON_DEPTH = 256;

/** Longer than any name, number or enum that is known. */
const MAX_NAME_LENGTH = 40;

const Byte = {
  quote: 0x22,
  comma: 0x2c,
  minus: 0x2d,
  colon: 0x3a,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

/**
 * A pull parser over the UTF-8 bytes of a JSON text. It makes no tree: a body costs its own size
 * however it is built, and numbers are handed out as their text, so nothing is rounded. All errors
 * are `DecodeError`s: `syntax`, or `limit` for nesting beyond `MAX_JSON_DEPTH`.
 */
export class JsonReader {
  pos = 0;
  /** What `string`, `nextKey` or `numberBytes` read last: `text[start .. end]`, in UTF-8. */
  text: Uint8Array;
  start = 0;
  end = 0;
  #bytes: Uint8Array;
  readonly #names: (string | undefined)[] = new Array<undefined>(256).fill(undefined);
  readonly #unescaped = new WireWriter(256);
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.text = bytes;
    this.reset(bytes);
  }

  /** Begins with another text. */
  reset(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.text = bytes;
    this.#depth = 0;
    // A byte order mark is no JSON, but some senders write one.
    this.pos = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  }

  /** The first byte of the next token, or -1 at the end. */
  peek(): number {
    const bytes = this.#bytes;
    let pos = this.pos;
    for (; pos < bytes.length; pos++) {
      const b = bytes[pos]!;
      if (b !== 0x20 && b !== 0x0a && b !== 0x0d && b !== 0x09) {
        this.pos = pos;
        return b;
      }
    }
    this.pos = pos;
    return -1;
  }

  isString(): boolean {
    return this.peek() === Byte.quote;
  }

  /** Takes `null` and returns true, or takes nothing. */
  takeNull(): boolean {
    if (this.peek() !== 0x6e) return false;
    this.#word("null");
    return true;
  }

  beginObject(): void {
    this.#open(Byte.openBrace, "an object");
  }

  /**
   * The next member's name, after which its value is to be read; undefined at the end of the
   * object. Names longer than any we know are given as "". `first` is true for the first call.
   */
  nextName(first: boolean): string | undefined {
    return this.nextKey(first) ? this.#name() : undefined;
  }

  /**
   * As `nextName`, for objects whose names are data: the name is left in `text`, `start` and `end`.
   * Returns false at the end of the object.
   */
  nextKey(first: boolean): boolean {
    let b = this.peek();
    if (b === Byte.closeBrace) {
      this.pos++;
      this.#depth--;
      return false;
    }
    if (!first) {
      if (b !== Byte.comma) throw this.#expected("',' or '}'");
      this.pos++;
      b = this.peek();
    }
    if (b !== Byte.quote) throw this.#expected("a member name");
    this.string();
    if (this.peek() !== Byte.colon) throw this.#expected("':'");
    this.pos++;
    return true;
  }

  beginArray(): void {
    this.#open(Byte.openBracket, "an array");
  }

  /** Whether the array has another element, which is to be read then. */
  nextElement(first: boolean): boolean {
    const b = this.peek();
    if (b === Byte.closeBracket) {
      this.pos++;
      this.#depth--;
      return false;
    }
    if (!first) {
      if (b !== Byte.comma) throw this.#expected("',' or ']'");
      this.pos++;
    }
    return true;
  }

  /** Reads a string into `text`, `start`, `end`, valid until the next one. */
  string(): void {
    if (this.peek() !== Byte.quote) throw this.#expected("a string");
    const bytes = this.#bytes;
    let pos = this.pos + 1;
    this.start = pos;
    while (pos < bytes.length) {
      const b = bytes[pos]!;
      if (b === Byte.quote) {
        this.text = bytes;
        this.end = pos;
        this.pos = pos + 1;
        return;
      }
      if (b === Byte.backslash) {
        this.#escapedString(pos);
        return;
      }
      if (b < 0x20) throw this.error("control character in a string", pos);
      pos++;
    }
    throw this.error("unterminated string", pos);
  }

  /** The string at hand, as a JS string. */
  stringText(): string {
    this.string();
    const { text, start, end } = this;
    // Numbers and enum names, for which a decoder's call costs more than the work.
    if (end - start <= MAX_NAME_LENGTH && isAscii(text, start, end))
      return latin1(text, start, end);
    return decoder.decode(text.subarray(start, end));
  }

  /** The text of a number. */
  number(): string {
    this.numberBytes();
    const { text, start, end } = this;
    return end - start <= MAX_NAME_LENGTH
      ? latin1(text, start, end)
      : decoder.decode(text.subarray(start, end));
  }

  /** Reads a number's text into `text`, `start`, `end`. */
  numberBytes(): void {
    const bytes = this.#bytes;
    this.peek();
    const start = this.pos;
    let pos = start;
    if (bytes[pos] === Byte.minus) pos++;
    const integer = pos;
    pos = digits(bytes, pos);
    if (pos === integer || (bytes[integer] === 0x30 && pos > integer + 1)) {
      throw this.#expected("a number");
    }
    if (bytes[pos] === 0x2e) pos = this.#someDigits(pos + 1);
    if (bytes[pos] === 0x65 || bytes[pos] === 0x45) {
      pos++;
      if (bytes[pos] === 0x2b || bytes[pos] === Byte.minus) pos++;
      pos = this.#someDigits(pos);
    }
    this.text = bytes;
    this.start = start;
    this.end = pos;
    this.pos = pos;
  }

  boolean(): boolean {
    const b = this.peek();
    if (b === 0x74) this.#word("true");
    else if (b === 0x66) this.#word("false");
    else throw this.#expected("true or false");
    return b === 0x74;
  }

  /** Steps over any value. */
  skip(): void {
    switch (this.peek()) {
      case Byte.openBrace:
        this.beginObject();
        for (let first = true; this.nextName(first) !== undefined; first = false) this.skip();
        return;
      case Byte.openBracket:
        this.beginArray();
        for (let first = true; this.nextElement(first); first = false) this.skip();
        return;
      case Byte.quote:
        this.string();
        return;
      case 0x74:
      case 0x66:
        this.boolean();
        return;
      case 0x6e:
        this.takeNull();
        return;
      default:
        this.numberBytes();
    }
  }

  /** Throws unless nothing follows but white space. */
  expectEnd(): void {
    if (this.peek() >= 0) throw this.#expected("the end");
  }

  error(message: string, at = this.pos): DecodeError {
    return new DecodeError("syntax", `invalid JSON: ${message} at byte ${at}`);
  }

  /** The string at hand as a name; the few names that there are become JS strings only once. */
  #name(): string {
    const { text, start, end } = this;
    const length = end - start;
    if (length === 0 || length > MAX_NAME_LENGTH) return "";
    const slot =
      (length * 31 + text[start]! + 7 * text[end - 1]! + 3 * text[start + (length >> 1)]!) & 255;
    const recent = this.#names[slot];
    if (recent !== undefined && recent.length === length) {
      let i = 0;
      while (i < length && recent.charCodeAt(i) === text[start + i]) i++;
      if (i === length) return recent;
    }
    const name = latin1(text, start, end);
    this.#names[slot] = name;
    return name;
  }

  #expected(what: string): DecodeError {
    const b = this.#bytes[this.pos];
    const got = b === undefined ? "the end" : JSON.stringify(String.fromCharCode(b));
    return this.error(`expected ${what}, got ${got}`);
  }

  #open(byte: number, what: string): void {
    if (this.peek() !== byte) throw this.#expected(what);
    if (++this.#depth > MAX_JSON_DEPTH) {
      throw new DecodeError("limit", `JSON nests deeper than ${MAX_JSON_DEPTH} levels`);
    }
    this.pos++;
  }

  #word(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.#bytes[this.pos + i] !== word.charCodeAt(i)) throw this.#expected(word);
    }
    this.pos += word.length;
  }

  #someDigits(pos: number): number {
    const end = digits(this.#bytes, pos);
    if (end === pos) throw this.error("number without digits", pos);
    return end;
  }

  /** Goes on with a string whose first backslash is at `pos`. */
  #escapedString(firstEscape: number): void {
    const bytes = this.#bytes;
    const out = this.#unescaped;
    out.length = 0;
    out.append(bytes.subarray(this.start, firstEscape));
    let pos = firstEscape;
    while (pos < bytes.length) {
      const b = bytes[pos]!;
      if (b === Byte.quote) {
        this.text = out.bytes;
        this.start = 0;
        this.end = out.length;
        this.pos = pos + 1;
        return;
      }
      if (b < 0x20) throw this.error("control character in a string", pos);
      if (b !== Byte.backslash) {
        out.byte(b);
        pos++;
        continue;
      }
      const escaped = bytes[pos + 1];
      if (escaped === 0x75) {
        let code = this.#hex4(pos + 2);
        pos += 6;
        if (code >= 0xd800 && code < 0xdc00 && bytes[pos] === 0x5c && bytes[pos + 1] === 0x75) {
          const low = this.#hex4(pos + 2);
          if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            pos += 6;
          }
        }
        // UTF-8 has no form for half a surrogate pair.
        pushUtf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
        continue;
      }
      const plain = escaped === undefined ? undefined : ESCAPES.get(escaped);
      if (plain === undefined) throw this.error("unknown escape in a string", pos);
      out.byte(plain);
      pos += 2;
    }
    throw this.error("unterminated string", pos);
  }

  #hex4(at: number): number {
    let code = 0;
    for (let i = at; i < at + 4; i++) {
      const digit = hexDigit(this.#bytes[i] ?? 0);
      if (digit < 0) throw this.error("bad \\u escape", at);
      code = code * 16 + digit;
    }
    return code;
  }
}

/** The value of an ASCII hex digit, -1 for anything else. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

const ESCAPES = new Map<number, number>([
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i]! >= 0x80) return false;
  return true;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

function digits(bytes: Uint8Array, pos: number): number {
  while (pos < bytes.length && bytes[pos]! >= 0x30 && bytes[pos]! <= 0x39) pos++;
  return pos;
}

function pushUtf8(out: WireWriter, code: number): void {
  if (code < 0x80) out.byte(code);
  else if (code < 0x800) {
    out.byte(0xc0 | (code >> 6));
    out.byte(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out.byte(0xe0 | (code >> 12));
    out.byte(0x80 | ((code >> 6) & 0x3f));
    out.byte(0x80 | (code & 0x3f));
  } else {
    out.byte(0xf0 | (code >> 18));
    out.byte(0x80 | ((code >> 12) & 0x3f));
    out.byte(0x80 | ((code >> 6) & 0x3f));
    out.byte(0x80 | (code & 0x3f));
  }
}
