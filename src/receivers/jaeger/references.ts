import { AttributeType, grownU32 } from "../../model/attribute-columns.ts";
import { DecodeError } from "../../model/decode-error.ts";
import type { SpanBatch } from "../../model/span-batch.ts";

/** Per span. */
export const MAX_REFERENCES = 65_535;

/** As both wire formats number them; further numbers count as the second. */
export const CHILD_OF = 0;

/** Type, four words of the trace id and two of the span id, big end first. */
const WORDS = 7;

/** The references of one span after the other: the parent is chosen among them, links are the rest. */
export class References {
  readonly #batch: SpanBatch;
  readonly #refTypeKey: number;
  readonly #childOf: number;
  readonly #followsFrom: number;
  #words = new Uint32Array(WORDS * 8);
  #count = 0;

  constructor(batch: SpanBatch) {
    this.#batch = batch;
    this.#refTypeKey = batch.strings.internText("opentracing.ref_type");
    this.#childOf = batch.strings.internText("child_of");
    this.#followsFrom = batch.strings.internText("follows_from");
  }

  /** Before the first reference of a span. */
  begin(): void {
    this.#count = 0;
  }

  get count(): number {
    return this.#count;
  }

  /** `trace` holds the 16 bytes of the trace id. */
  add(type: number, trace: DataView, spanLo: number, spanHi: number): void {
    if (this.#count >= MAX_REFERENCES) {
      throw new DecodeError("limit", `span has more than ${MAX_REFERENCES} references`);
    }
    const at = this.#count * WORDS;
    if (at === this.#words.length) this.#words = grownU32(this.#words);
    const words = this.#words;
    words[at] = type;
    for (let i = 0; i < 4; i++) words[at + 1 + i] = trace.getUint32(4 * i);
    words[at + 5] = spanHi;
    words[at + 6] = spanLo;
    this.#count++;
  }

  /**
   * After the last one: sets the parent of the span in `row`, whose trace id is `trace`, unless it
   * has one, and appends the links.
   */
  finish(row: number, trace: DataView): void {
    if (this.#count === 0) return;
    const { parentSpanId } = this.#batch;
    if ((parentSpanId[2 * row]! | parentSpanId[2 * row + 1]!) === 0) {
      const parent = this.#parentIn(trace);
      if (parent >= 0) {
        parentSpanId[2 * row] = this.#words[parent + 6]!;
        parentSpanId[2 * row + 1] = this.#words[parent + 5]!;
      }
    }
    const lo = parentSpanId[2 * row]!;
    const hi = parentSpanId[2 * row + 1]!;
    for (let i = 0; i < this.#count; i++) {
      const at = i * WORDS;
      const isChild = this.#words[at] === CHILD_OF;
      // Another trace's span of the same id is left out as well, as Tempo does.
      if (isChild && this.#words[at + 5] === hi && this.#words[at + 6] === lo) continue;
      this.#link(at, isChild);
    }
  }

  /** Where the words of the parent begin, -1 when no reference is to the same trace. */
  #parentIn(trace: DataView): number {
    let followed = -1;
    for (let i = 0; i < this.#count; i++) {
      const at = i * WORDS;
      if (!this.#isIn(at, trace)) continue;
      if (this.#words[at] === CHILD_OF) return at;
      if (followed < 0) followed = at;
    }
    return followed;
  }

  #isIn(at: number, trace: DataView): boolean {
    for (let i = 0; i < 4; i++) {
      if (this.#words[at + 1 + i] !== trace.getUint32(4 * i)) return false;
    }
    return true;
  }

  #link(at: number, isChild: boolean): void {
    const batch = this.#batch;
    const words = this.#words;
    const row = batch.openLink();
    for (let i = 0; i < 16; i++) {
      batch.linkTraceId[16 * row + i] = words[at + 1 + (i >>> 2)]! >>> (24 - 8 * (i & 3));
    }
    batch.linkSpanId[2 * row] = words[at + 6]!;
    batch.linkSpanId[2 * row + 1] = words[at + 5]!;
    const type = isChild ? this.#childOf : this.#followsFrom;
    batch.linkAttributes.push(this.#refTypeKey, AttributeType.string, type, 0);
    batch.closeLink();
  }
}
