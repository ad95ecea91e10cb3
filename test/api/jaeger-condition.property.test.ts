import fc from "fast-check";
import { expect, test } from "vitest";
import { jaegerTagParams } from "../../src/api/http/jaeger-tags.ts";
import { type JaegerConditions, jaegerCondition } from "../../src/api/jaeger-condition.ts";
import { PintailError } from "../../src/errors.ts";
import { checkQuery } from "../../src/traceql/check/check.ts";
import { foldConstants } from "../../src/traceql/fold.ts";
import { parseQuery } from "../../src/traceql/parser.ts";
import { printSpanset } from "../../src/traceql/print.ts";
import { testSeed } from "../support/random.ts";

const SEED = testSeed();

const NASTY = [
  "`",
  '"',
  "\\",
  "\n",
  "\r",
  "{ true }",
  " || ",
  "&&",
  "=",
  "}",
  ".",
  "a",
  "é",
  "7",
  "\0",
];
const text = fc.oneof(
  fc.array(fc.constantFrom(...NASTY), { maxLength: 8 }).map((parts) => parts.join("")),
  fc.string({ unit: "binary", maxLength: 12 }).map((some) => some.toWellFormed()),
  fc.constantFrom("true", "-9223372036854775808", "9223372036854775808", "-0", "1.50", "error"),
);
const key = fc.oneof(
  text.filter((some) => some !== ""),
  fc.constantFrom("error", "span.kind", "otel.status_code", "event", "otel.scope.name"),
);
const nanos = fc.option(fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), { nil: undefined });
const conditions: fc.Arbitrary<JaegerConditions> = fc.record({
  service: text,
  operation: text,
  tags: fc.array(fc.tuple(key, text), { maxLength: 4 }),
  minNanos: nanos,
  maxNanos: nanos,
});

test(`what is asked for is one filter, the same once printed and parsed (seed ${SEED})`, () => {
  fc.assert(
    fc.property(conditions, (wanted) => {
      const expr = jaegerCondition(wanted);
      const query = parseQuery(printSpanset({ type: "filter", expr }));
      checkQuery(query);
      expect(query).toMatchObject({ metrics: undefined, second: [], hints: [] });
      expect(query.stages.length).toBe(1);
      const [stage] = query.stages;
      if (stage?.type !== "filter") throw new Error(`a stage is ${stage?.type}`);
      expect(foldConstants(stage.expr)).toEqual(foldConstants(expr));
    }),
    { seed: SEED, numRuns: 1000 },
  );
});

test(`tags of any text are read as JSON or logfmt, or refused (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.dictionary(key, text, { noNullPrototype: true }), (tags) => {
      const params = new URLSearchParams({ tags: JSON.stringify(tags) });
      expect(Object.fromEntries(jaegerTagParams(params))).toEqual(tags);
    }),
    { seed: SEED, numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 6 }), (parts) => {
      const params = new URLSearchParams({ tags: parts.join(" ") });
      try {
        for (const [tag] of jaegerTagParams(params)) expect(tag).not.toBe("");
      } catch (error) {
        if (!(error instanceof PintailError)) throw error;
        expect(error.kind).toBe("invalid");
      }
    }),
    { seed: SEED, numRuns: 1000 },
  );
});

test.each([
  ["a=1", { a: "1" }],
  ["  a=1   b=x=y ", { a: "1", b: "x=y" }],
  ['a="x y" b="q\\"\\\\\\n"', { a: "x y", b: 'q"\\\n' }],
  ["a= b", { a: "", b: "true" }],
  ['a="" ü="ß"', { a: "", ü: "ß" }],
  ["a=1 a=2", { a: "2" }],
  ["", {}],
])("logfmt %j is %j", (tags, expected) => {
  expect(Object.fromEntries(jaegerTagParams(new URLSearchParams({ tags })))).toEqual(expected);
});
