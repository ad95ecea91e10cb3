import { expect, test } from "vitest";
import { TextBytes } from "../../src/util/text-bytes.ts";

test("pieces of any length become one text in UTF-8", () => {
  const text = new TextBytes();
  expect(text.bytes).toHaveLength(0);
  const pieces = ["", "a", "ü€😀".repeat(30_000), "b".repeat(200_000), "\u{10ffff}", "end"];
  for (const piece of pieces) text.append(piece);
  const whole = pieces.join("");
  expect(new TextDecoder().decode(text.bytes)).toBe(whole);
  expect(text.bytes).toEqual(new TextEncoder().encode(whole));
});
