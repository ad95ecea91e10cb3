import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonOutline } from "../../../src/cli/import/json-outline.ts";
import { testSeed } from "../../support/random.ts";

const someText = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("resourceSpans", "batches", "trace", '"', "\\", "{", "}]", "\\u0022"),
);
const someValue = fc.jsonValue({ maxDepth: 4, stringUnit: "grapheme" });
const someParts = fc.array(fc.dictionary(someText, someValue, { maxKeys: 4 }), { maxLength: 4 });
/** Names that no document gives a meaning to. */
const someMembers = fc.dictionary(
  someText.filter((name) => !["resourceSpans", "batches", "trace", "__proto__"].includes(name)),
  someValue,
  { maxKeys: 3 },
);
const someDocument = fc
  .tuple(someMembers, someParts, someMembers, fc.nat(2))
  .map(([before, parts, after, form]) => {
    if (form === 2)
      return { parts, value: { ...before, trace: { resourceSpans: parts }, ...after } };
    const name = form === 0 ? "resourceSpans" : "batches";
    return { parts, value: { ...before, [name]: parts, ...after } };
  });

test("all parts are found, whatever stands in and around them and wherever pieces end", () => {
  const documents = fc.array(someDocument, { maxLength: 3 });
  fc.assert(
    fc.property(
      documents,
      fc.nat(2),
      fc.integer({ min: 1, max: 40 }),
      (all, indent, pieceBytes) => {
        const text = all.map(({ value }) => JSON.stringify(value, null, indent)).join("\n");
        const bytes = new TextEncoder().encode(text);
        const outline = new JsonOutline();
        const found: unknown[] = [];
        for (let i = 0; i < bytes.length; i += pieceBytes) {
          for (const part of outline.read(bytes.subarray(i, i + pieceBytes))) {
            found.push(JSON.parse(new TextDecoder("utf-8", { ignoreBOM: true }).decode(part)));
          }
        }
        outline.end();
        expect(found).toEqual(JSON.parse(JSON.stringify(all.flatMap(({ parts }) => parts))));
      },
    ),
    { seed: testSeed(), numRuns: 500 },
  );
});
