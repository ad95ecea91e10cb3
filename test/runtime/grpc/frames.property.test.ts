import fc from "fast-check";
import { expect, test } from "vitest";
import { type Frame, FrameReader, frameOf } from "../../../src/runtime/grpc/frames.ts";

const MAX = 64;
const messages = fc.array(
  fc.record({ compressed: fc.boolean(), message: fc.uint8Array({ maxLength: MAX }) }),
  { maxLength: 8 },
);

/** Cuts `bytes` at the given places. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.byteLength + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.byteLength));
}

test("frames come out as they went in, however the bytes are cut", () => {
  fc.assert(
    fc.property(messages, fc.array(fc.nat(), { maxLength: 20 }), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map((f) => frameOf(f.message, f.compressed)));
      const out: Frame[] = [];
      const reader = new FrameReader(
        MAX,
        (frame) => out.push(frame),
        () => expect.fail(),
      );
      for (const piece of pieces(bytes, cuts)) reader.push(piece);
      expect(out.map((f) => ({ ...f, message: [...f.message] }))).toEqual(
        frames.map((f) => ({ ...f, message: [...f.message] })),
      );
      expect(reader.atBoundary).toBe(true);
    }),
  );
});

test("any bytes end in frames within the limit or in one fault", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
      let faults = 0;
      const reader = new FrameReader(
        MAX,
        (frame) => {
          expect(faults).toBe(0);
          expect(frame.message.byteLength).toBeLessThanOrEqual(MAX);
        },
        () => faults++,
      );
      for (const chunk of chunks) reader.push(chunk);
      expect(faults).toBeLessThanOrEqual(1);
    }),
  );
});

test("a cut stream is not at a boundary", () => {
  const whole = frameOf(new Uint8Array(3), false);
  for (let length = 1; length < whole.byteLength; length++) {
    const reader = new FrameReader(
      MAX,
      () => expect.fail(),
      () => expect.fail(),
    );
    reader.push(whole.subarray(0, length));
    expect(reader.atBoundary).toBe(false);
  }
});
