/** The bytes are not a protobuf message of the expected shape. */
export class WireError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "WireError";
  }
}

/**
 * A cursor over protobuf wire data. Every read takes the end of the message it belongs to and
 * throws a `WireError` rather than go past it. No read allocates. Callers loop `while (pos < end)`.
 */
export class WireReader {
  bytes = new Uint8Array(0);
  view = new DataView(this.bytes.buffer);
  pos = 0;
  /** The high 32 bits of what `varint` read last. */
  hi = 0;

  reset(bytes: Uint8Array): void {
    // A plain Uint8Array always, so that the accesses below stay monomorphic for Node's Buffers.
    const buffer = bytes.buffer as ArrayBuffer;
    this.bytes = new Uint8Array(buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(buffer, bytes.byteOffset, bytes.byteLength);
    this.pos = 0;
  }

  /** Field number << 3 | wire type. The caller has checked that `pos < end`. */
  tag(end: number): number {
    const first = this.bytes[this.pos]!;
    if (first < 0x80) {
      this.pos++;
      return first;
    }
    const tag = this.varint(end);
    if (this.hi !== 0) throw new WireError("field number out of range");
    return tag;
  }

  /** The length of a length-delimited field; returns where its content, which begins at `pos`, ends. */
  sub(end: number): number {
    const pos = this.pos;
    if (pos < end) {
      const length = this.bytes[pos]!;
      if (length < 0x80) {
        const subEnd = pos + 1 + length;
        if (subEnd > end) throw truncated(pos);
        this.pos = pos + 1;
        return subEnd;
      }
    }
    const length = this.varint(end) >>> 0;
    if (this.hi !== 0 || length > end - this.pos) throw truncated(pos);
    return this.pos + length;
  }

  /** The low 32 bits of a varint, as an int32; the high ones are left in `hi`. */
  varint(end: number): number {
    const bytes = this.bytes;
    let pos = this.pos;
    if (pos + 1 < end) {
      const first = bytes[pos]!;
      const second = bytes[pos + 1]!;
      if (first < 0x80) {
        this.pos = pos + 1;
        this.hi = 0;
        return first;
      }
      if (second < 0x80) {
        this.pos = pos + 2;
        this.hi = 0;
        return (first & 0x7f) | (second << 7);
      }
    }
    // The bound of ten bytes is checked together with the end.
    const limit = end - pos > 10 ? pos + 10 : end;
    let lo = 0;
    let hi = 0;
    let shift = 0;
    while (pos < limit) {
      const b = bytes[pos++]!;
      const payload = b & 0x7f;
      if (shift < 28) lo |= payload << shift;
      else if (shift === 28) {
        lo |= payload << 28;
        hi = payload >>> 4;
      } else hi |= payload << (shift - 32);
      if (b < 0x80) {
        this.pos = pos;
        this.hi = hi;
        return lo;
      }
      shift += 7;
    }
    if (limit === end) throw truncated(pos);
    throw new WireError(`varint of more than 10 bytes at byte ${this.pos}`);
  }

  /** The little-endian 32 bits of a fixed32. */
  fixed32(end: number): number {
    const pos = this.pos;
    if (pos + 4 > end) throw truncated(pos);
    this.pos = pos + 4;
    return this.view.getUint32(pos, true);
  }

  /** Steps over a fixed64 and returns where it begins. */
  fixed64(end: number): number {
    const pos = this.pos;
    if (pos + 8 > end) throw truncated(pos);
    this.pos = pos + 8;
    return pos;
  }

  /**
   * Steps over a field whose tag was read. Bit n of `known` is set when the message has a field n:
   * that it comes here means that its wire type is wrong.
   */
  skip(tag: number, known: number, end: number): void {
    const field = tag >>> 3;
    if (field === 0) throw new WireError(`field number 0 at byte ${this.pos}`);
    if (field < 32 && ((known >>> field) & 1) !== 0) {
      throw new WireError(`field ${field} with wire type ${tag & 7} at byte ${this.pos}`);
    }
    switch (tag & 7) {
      case 0:
        this.varint(end);
        return;
      case 1:
        this.fixed64(end);
        return;
      case 2:
        this.pos = this.sub(end);
        return;
      case 5:
        this.fixed32(end);
        return;
      default:
        throw new WireError(`wire type ${tag & 7} at byte ${this.pos}`);
    }
  }
}

function truncated(pos: number): WireError {
  return new WireError(`truncated message at byte ${pos}`);
}
