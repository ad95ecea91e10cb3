import fc from "fast-check";
import { expect, test } from "vitest";
import type { CandidatePage } from "../../src/query/candidates/candidate-scan.ts";
import { newestTraces } from "../../src/query/newest-traces.ts";
import type { FoundTrace } from "../../src/query/search-result.ts";
import { compareTraces, type TraceKey } from "../../src/query/trace-key.ts";

/** What there is to know of a trace: where a page names it, and what the judge says. */
type Planned = TraceKey & {
  /** The whole trace starts so much earlier. */
  readonly movesBack: number;
  readonly isLeftOut: boolean;
};

const planned = fc.record({
  start: fc.nat(60),
  movesBack: fc.oneof(fc.constant(0), fc.nat(20)),
  isLeftOut: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
});

function tracesOf(plans: readonly { start: number; movesBack: number; isLeftOut: boolean }[]) {
  return plans.map(
    ({ start, movesBack, isLeftOut }, i): Planned => ({
      traceId: `${i}`.padStart(4, "0"),
      startUnixNano: 1000n + BigInt(start),
      movesBack,
      isLeftOut,
    }),
  );
}

/** Pages of these sizes, in order; none tells anything of what starts before its boundary. */
async function* pagesOf(
  traces: readonly Planned[],
  sizes: readonly number[],
): AsyncGenerator<CandidatePage, void, void> {
  const sorted = traces.toSorted(compareTraces);
  let at = 0;
  for (const size of sizes) {
    const found = sorted.slice(at, at + size);
    at += found.length;
    yield { found, boundary: found.at(-1) ?? { traceId: "", startUnixNano: 10_000n } };
  }
  yield { found: sorted.slice(at), boundary: undefined };
}

function judgedAs({ traceId, startUnixNano, movesBack }: Planned): FoundTrace {
  return {
    traceId,
    startUnixNano: startUnixNano - BigInt(movesBack),
    rootServiceName: "",
    rootSpanName: "",
    durationNanos: 0n,
    spansets: undefined,
    serviceStats: undefined,
  };
}

async function search(
  traces: readonly Planned[],
  sizes: readonly number[],
  settings: { limit: number; early: boolean },
) {
  const byId = new Map(traces.map((trace) => [trace.traceId, trace]));
  const judged: number[] = [];
  const found: FoundTrace[] = [];
  const decisions = newestTraces(pagesOf(traces, sizes), settings, async (keys) => {
    judged.push(keys.length);
    return keys
      .map(({ traceId }) => byId.get(traceId)!)
      .filter(({ isLeftOut }) => !isLeftOut)
      .map(judgedAs);
  });
  for await (const some of decisions) found.push(...some);
  return { ids: found.map(({ traceId }) => traceId), judged };
}

test("the newest are found, whether they are judged early or when there are enough", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(planned, { maxLength: 60 }),
      fc.array(fc.nat(12), { maxLength: 8 }),
      fc.integer({ min: 1, max: 25 }),
      async (plans, sizes, limit) => {
        const traces = tracesOf(plans);
        const newest = traces
          .filter(({ isLeftOut }) => !isLeftOut)
          .map(judgedAs)
          .sort(compareTraces)
          .slice(0, limit);
        const expected = newest.map(({ traceId }) => traceId);
        const early = await search(traces, sizes, { limit, early: true });
        const late = await search(traces, sizes, { limit, early: false });
        expect(early.ids).toEqual(expected);
        expect(late.ids).toEqual(expected);
        expect(late.judged.length).toBeLessThanOrEqual(early.judged.length);
      },
    ),
    { numRuns: 500 },
  );
});

test("few that nobody waits for are judged together with those that come later", async () => {
  const plans = Array.from({ length: 30 }, (_, start) => ({
    start,
    movesBack: 0,
    isLeftOut: false,
  }));
  const sizes = [2, 5, 12, 9];
  const early = await search(tracesOf(plans), sizes, { limit: 20, early: true });
  const late = await search(tracesOf(plans), sizes, { limit: 20, early: false });
  expect(late.ids).toEqual(early.ids);
  expect(early.judged).toEqual([2, 5, 12, 9]);
  expect(late.judged).toEqual([20]);
});
