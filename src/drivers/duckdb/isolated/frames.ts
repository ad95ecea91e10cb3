/** What the query's process says on its standard output: type, length (u32, little endian), body. */
export const Frame = {
  /** The statement runs and its first rows follow. */
  started: 1,
  data: 2,
  /** JSON: `FrameError`. */
  error: 3,
  finished: 4,
} as const;
export type FrameType = (typeof Frame)[keyof typeof Frame];

export type FrameError = { readonly kind: string; readonly message: string };

const HEADER_BYTES = 5;
/** Larger bodies are split by the sender. */
export const MAX_FRAME_BYTES = 1 << 20;

export function frameHeader(type: FrameType, bodyBytes: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = type;
  new DataView(header.buffer).setUint32(1, bodyBytes, true);
  return header;
}

/** Frames of a byte stream; ends quietly with the stream, also inside a frame. */
export async function* readFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ type: number; body: Uint8Array<ArrayBuffer> }> {
  let kept: Uint8Array = new Uint8Array(0);
  for await (const chunk of source) {
    const bytes = kept.length === 0 ? chunk : concat(kept, chunk);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = view.getUint32(at + 1, true);
      if (length > MAX_FRAME_BYTES) throw new Error(`a frame of ${length} bytes`);
      const end = at + HEADER_BYTES + length;
      if (end > bytes.length) break;
      yield { type: bytes[at]!, body: new Uint8Array(bytes.subarray(at + HEADER_BYTES, end)) };
      at = end;
    }
    kept = bytes.slice(at);
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
