import { concatBytes } from "../../util/concat-bytes.ts";
import { ImportFileError, MAX_PART_BYTES } from "./import-file-error.ts";

/** Arrays of ResourceSpans: OTLP's name, in both spellings, and the one of Tempo's first API. */
const GROUPS = new Set(["resourceSpans", "resource_spans", "batches"]);
/** What Tempo's second API puts around the trace. */
const WRAPPER = "trace";
/** Longer than any name that is looked for. */
const MAX_NAME_BYTES = 64;

const Byte = {
  newline: 0x0a,
  quote: 0x22,
  comma: 0x2c,
  colon: 0x3a,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

/**
 * Finds each ResourceSpans in JSON that comes in pieces: `read` gives the texts that end in a piece.
 * It looks at brackets, strings and the names of the outer two objects and knows no depth, so that a
 * text costs its own size at most; whether the texts are well formed is for their decoder to say.
 */
export class JsonOutline {
  /** Brackets open. */
  #depth = 0;
  /** Of the documents' objects: 1, or more when they stand in an array. */
  #documentDepth = 0;
  /** Whether `trace` is open at the depth below the document's. */
  #inWrapper = false;
  /** Of the array whose elements are looked for; 0 = none. */
  #groupDepth = 0;
  #inString = false;
  #escaped = false;
  /** The next string at this place is a name. */
  #nameNext = false;
  /** Bytes of the name at hand. */
  #nameBytes: number[] | undefined;
  #name = "";
  /** Where the document's name that is none of ours was first met. */
  #foreignName: string | undefined;
  #hasSpans = false;
  /** Pieces of the text at hand, when one is. */
  #part: Uint8Array<ArrayBuffer>[] | undefined;
  #partBytes = 0;
  #line = 1;

  /** Texts of ResourceSpans that end in this piece. */
  read(piece: Uint8Array): Uint8Array<ArrayBuffer>[] {
    const found: Uint8Array<ArrayBuffer>[] = [];
    /** Of the text at hand in this piece. */
    let partStart = 0;
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i]!;
      if (this.#inString) {
        this.#stringByte(byte);
        continue;
      }
      switch (byte) {
        case Byte.newline:
          this.#line++;
          break;
        case Byte.quote:
          this.#beginString();
          break;
        case Byte.openBrace:
          if (this.#isBetweenParts()) {
            this.#part = [];
            this.#partBytes = 0;
            partStart = i;
          }
          this.#openObject();
          break;
        case Byte.openBracket:
          this.#openArray();
          break;
        case Byte.closeBrace:
        case Byte.closeBracket:
          this.#close(byte);
          if (this.#part !== undefined && this.#depth === this.#groupDepth) {
            this.#keep(piece.subarray(partStart, i + 1));
            found.push(concatBytes(this.#part));
            this.#part = undefined;
          }
          break;
        case Byte.comma:
          this.#nameNext = this.#isOuterObject();
          break;
        case Byte.colon:
          this.#nameNext = false;
          break;
        default:
          this.#otherByte(byte);
      }
    }
    if (this.#part !== undefined) this.#keep(piece.subarray(partStart));
    return found;
  }

  /** Throws when the text ended where it may not. */
  end(): void {
    if (this.#depth > 0 || this.#inString) throw this.#error("the JSON ends too early");
  }

  #keep(bytes: Uint8Array): void {
    this.#partBytes += bytes.length;
    if (this.#partBytes > MAX_PART_BYTES) {
      throw this.#error(`a ResourceSpans has more than ${MAX_PART_BYTES} bytes`);
    }
    this.#part?.push(bytes.slice());
  }

  #isBetweenParts(): boolean {
    return this.#groupDepth > 0 && this.#depth === this.#groupDepth;
  }

  /** Whether names of the innermost open object matter. */
  #isOuterObject(): boolean {
    if (this.#documentDepth === 0 || this.#groupDepth > 0) return false;
    const below = this.#depth - this.#documentDepth;
    return below === 0 || (below === 1 && this.#inWrapper);
  }

  #openObject(): void {
    const isWrapper = this.#isOuterObject() && !this.#inWrapper && this.#name === WRAPPER;
    this.#depth++;
    if (this.#documentDepth === 0) {
      this.#documentDepth = this.#depth;
      this.#foreignName = undefined;
      this.#hasSpans = false;
    } else if (isWrapper && this.#depth === this.#documentDepth + 1) {
      this.#inWrapper = true;
      this.#hasSpans = true;
    }
    this.#name = "";
    this.#nameNext = this.#isOuterObject();
  }

  #openArray(): void {
    const isGroup = this.#isOuterObject() && GROUPS.has(this.#name);
    this.#depth++;
    if (isGroup) this.#groupDepth = this.#depth;
    this.#nameNext = false;
  }

  #close(byte: number): void {
    if (this.#depth === 0) throw this.#unexpected(byte);
    if (this.#depth === this.#groupDepth) this.#groupDepth = 0;
    if (this.#inWrapper && this.#depth === this.#documentDepth + 1) this.#inWrapper = false;
    if (this.#depth === this.#documentDepth) {
      this.#documentDepth = 0;
      if (!this.#hasSpans && this.#foreignName !== undefined) {
        throw this.#error(`holds ${JSON.stringify(this.#foreignName)} but no resourceSpans`);
      }
    }
    this.#depth--;
    this.#nameNext = false;
    this.#name = "";
  }

  #beginString(): void {
    if (this.#documentDepth === 0) throw this.#unexpected(Byte.quote);
    if (this.#isBetweenParts()) throw this.#error("a ResourceSpans is no object");
    this.#inString = true;
    this.#nameBytes = this.#nameNext ? [] : undefined;
  }

  #stringByte(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === Byte.backslash) this.#escaped = true;
    else if (byte === Byte.quote) {
      this.#inString = false;
      if (this.#nameBytes !== undefined) this.#endName(String.fromCharCode(...this.#nameBytes));
      return;
    }
    if (this.#nameBytes === undefined) return;
    if (this.#nameBytes.length < MAX_NAME_BYTES) this.#nameBytes.push(byte);
  }

  #endName(name: string): void {
    this.#name = name;
    this.#nameBytes = undefined;
    this.#nameNext = false;
    if (GROUPS.has(name)) this.#hasSpans = true;
    else if (this.#depth === this.#documentDepth) this.#foreignName ??= name;
  }

  /** Blanks, numbers and words; outside of documents blanks alone. */
  #otherByte(byte: number): void {
    const isBlank = byte === 0x20 || byte === 0x09 || byte === 0x0d;
    if (isBlank) return;
    if (this.#documentDepth === 0) throw this.#unexpected(byte);
    if (this.#isBetweenParts()) throw this.#error("a ResourceSpans is no object");
  }

  #unexpected(byte: number): ImportFileError {
    const char = byte > 0x20 && byte < 0x7f ? `'${String.fromCharCode(byte)}'` : `byte ${byte}`;
    return this.#error(`unexpected ${char} where a JSON object should begin`);
  }

  #error(message: string): ImportFileError {
    return new ImportFileError(`line ${this.#line}: ${message}`);
  }
}
