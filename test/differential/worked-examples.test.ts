import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SegmentStore } from "../query/segment-store.ts";
import { loadSpans, type Placed } from "./data-set.ts";
import { engineAnswer, type NamedSpans, oracleAnswer, readExamples, shownOf } from "./examples.ts";
import { ODD, oddSegment } from "./odd-data.ts";
import { WORKED } from "./worked-data.ts";

const WORKED_EXAMPLES = readExamples("worked-examples.tsv");
const ODD_EXAMPLES = readExamples("odd-traces.tsv");

test("the description has 91 examples", () => {
  expect(WORKED_EXAMPLES.map(({ number }) => Number(number))).toEqual(
    Array.from({ length: 91 }, (_, i) => i + 1),
  );
});

describe("the naive evaluator answers as the description says", () => {
  test.each(WORKED_EXAMPLES)("worked example $number: $query", (example) => {
    expect(shownOf(example, oracleAnswer(WORKED, example))).toEqual(example.expected);
  });
  test.each(ODD_EXAMPLES)("odd traces $number: $query", (example) => {
    expect(shownOf(example, oracleAnswer(ODD, example))).toEqual(example.expected);
  });
});

const inTurn = (segments: number) => (_: string, i: number) => i % segments;

describe.each([
  ["worked examples in one segment", WORKED, WORKED_EXAMPLES, inTurn(1)],
  ["worked examples over three segments", WORKED, WORKED_EXAMPLES, inTurn(3)],
  ["odd traces in one segment", ODD, ODD_EXAMPLES, inTurn(1)],
  ["odd traces over three segments", ODD, ODD_EXAMPLES, oddSegment],
] as const)("the engine answers likewise: %s", (_, spans: NamedSpans, examples, segmentOf) => {
  let store: SegmentStore;
  beforeAll(async () => {
    store = await SegmentStore.open();
    const placed = Object.entries(spans).map(
      ([name, span], i): Placed => ({ span, segment: segmentOf(name, i) }),
    );
    await loadSpans(store, placed);
  });
  afterAll(async () => {
    await store.close();
  });

  test.each([...examples])("$number: $query", async (example) => {
    expect(shownOf(example, await engineAnswer(store, spans, example))).toEqual(example.expected);
  });
});
