import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { drained } from "../../src/runtime/http/fetch-bridge.ts";

/** Takes a byte, then nothing until told. */
function stuck(): { readonly writable: Writable; release(): void } {
  const waiting: (() => void)[] = [];
  const writable = new Writable({
    highWaterMark: 1,
    write: (_chunk, _encoding, done) => waiting.push(done),
  });
  writable.on("error", () => {});
  return { writable, release: () => waiting.shift()?.() };
}

test("a writable that takes nothing for too long is destroyed", async () => {
  const { writable } = stuck();
  expect(writable.write("abc")).toBe(false);
  await drained(writable, 20);
  expect(writable.destroyed).toBe(true);
});

test("one that takes more in time is not", async () => {
  const { writable, release } = stuck();
  expect(writable.write("abc")).toBe(false);
  setTimeout(release, 5);
  await drained(writable, 50);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(writable.destroyed).toBe(false);
});
