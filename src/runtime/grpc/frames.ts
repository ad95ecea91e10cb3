import { concatBytes } from "../concat-bytes.ts";

/** Length-prefixed messages: a flag byte (1 = compressed), the length as u32, the message. */
export const FRAME_HEADER_BYTES = 5;

export type Frame = { readonly compressed: boolean; readonly message: Uint8Array };

export type FrameFault = "too_large" | "bad_flag";

/**
 * Cuts a stream of chunks into frames. A length is checked before any byte of its message is kept,
 * so at most `maxMessageBytes` and one chunk are held.
 */
export class FrameReader {
  readonly #maxMessageBytes: number;
  readonly #onFrame: (frame: Frame) => void;
  readonly #onFault: (fault: FrameFault, bytes: number) => void;
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  #messageBytes = 0;
  #missingBytes = 0;
  #parts: Uint8Array[] = [];
  #faulty = false;

  constructor(
    maxMessageBytes: number,
    onFrame: (frame: Frame) => void,
    onFault: (fault: FrameFault, bytes: number) => void,
  ) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#onFrame = onFrame;
    this.#onFault = onFault;
  }

  /** Whether the stream may end here. */
  get atBoundary(): boolean {
    return this.#headerBytes === 0;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.byteLength && !this.#faulty) {
      if (this.#headerBytes < FRAME_HEADER_BYTES) {
        const part = chunk.subarray(at, at + FRAME_HEADER_BYTES - this.#headerBytes);
        this.#header.set(part, this.#headerBytes);
        this.#headerBytes += part.byteLength;
        at += part.byteLength;
        if (this.#headerBytes < FRAME_HEADER_BYTES || !this.#headerComplete()) continue;
      } else {
        const part = chunk.subarray(at, at + this.#missingBytes);
        this.#parts.push(part);
        this.#missingBytes -= part.byteLength;
        at += part.byteLength;
      }
      if (this.#missingBytes === 0) this.#frameComplete();
    }
  }

  #headerComplete(): boolean {
    const [flag = 0, a = 0, b = 0, c = 0, d = 0] = this.#header;
    this.#messageBytes = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    this.#missingBytes = this.#messageBytes;
    if (flag <= 1 && this.#messageBytes <= this.#maxMessageBytes) return true;
    this.#faulty = true;
    this.#onFault(flag > 1 ? "bad_flag" : "too_large", this.#messageBytes);
    return false;
  }

  #frameComplete(): void {
    const message = concatBytes(this.#parts, this.#messageBytes);
    const compressed = this.#header[0] === 1;
    this.#headerBytes = 0;
    this.#parts = [];
    this.#onFrame({ compressed, message });
  }
}

export function frameOf(message: Uint8Array, compressed: boolean): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + message.byteLength);
  frame[0] = compressed ? 1 : 0;
  new DataView(frame.buffer).setUint32(1, message.byteLength);
  frame.set(message, FRAME_HEADER_BYTES);
  return frame;
}
