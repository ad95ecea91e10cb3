import type { Query } from "../../src/traceql/ast.ts";
import type { SegmentStore } from "../query/segment-store.ts";
import { loadSpans, type Placed, spanText } from "./data-set.ts";
import type { Random } from "./generate/random.ts";
import { randomSpans } from "./generate/spans.ts";
import { queryText } from "./oracle/text.ts";
import { type OracleTrace, tracesOf } from "./oracle/trace.ts";
import type { Outcome } from "./outcome.ts";
import { type Case, shrink } from "./shrink.ts";

/** Queries of each test; the one over a bucket, which asks slowly, has a quarter of them. */
const CASES = Number(process.env.PINTAIL_DIFFERENTIAL_CASES ?? 350);
/** The same queries in every run, so that a change is judged by itself; other seeds explore. */
export const USUAL_SEED = 101;
export const QUERIES_PER_DATA_SET = 100;
const TRACES = 40;

/** Whole traces lie in one segment each, split ones anywhere. */
export const SPREADS = ["one segment", "whole traces", "split traces", "a bucket"] as const;
export type Spread = (typeof SPREADS)[number];

/** Each spread has spans and queries of its own. */
export function numberOf(spread: Spread): number {
  return SPREADS.indexOf(spread);
}

export function casesOf(spread: Spread): number {
  return spread === "a bucket" ? Math.ceil(CASES / 4) : CASES;
}

export function randomlyPlaced(r: Random, spread: Spread): Placed[] {
  const segments = spread === "one segment" ? 1 : 2 + r.below(3);
  const home = new Map<string, number>();
  return randomSpans(r, TRACES).map((span) => {
    const segment = home.get(span.traceId) ?? r.below(segments);
    home.set(span.traceId, segment);
    const isSplit = spread === "split traces" || spread === "a bucket";
    return { span, segment: isSplit ? r.below(segments) : segment };
  });
}

export function tracesIn(placed: readonly Placed[]): OracleTrace[] {
  return tracesOf(placed.map(({ span }) => span));
}

/** A difference told on as few spans and as short a query as were found. */
export async function difference(
  store: SegmentStore,
  found: Case,
  where: string,
  run: (traces: readonly OracleTrace[], query: Query) => Promise<Outcome>,
): Promise<string> {
  const again = async ({ placed, query }: Case): Promise<Outcome> => {
    await loadSpans(store, placed);
    return await run(tracesIn(placed), query);
  };
  const least = await shrink(found, async (candidate) => {
    // Not every simpler tree is a query.
    const outcome = await again(candidate).catch(() => undefined);
    return outcome?.type === "different";
  });
  const outcome = await again(least);
  const shown = (value: unknown) =>
    JSON.stringify(value, (_, v) => (typeof v === "bigint" ? String(v) : v), 1);
  return [
    `${where}: ${queryText(found.query)}`,
    `shortened: ${queryText(least.query)}`,
    ...least.placed.map(spanText),
    ...(outcome.type === "different"
      ? [`expected: ${shown(outcome.expected)}`, `actual: ${shown(outcome.actual)}`]
      : ["which is right when run alone"]),
  ].join("\n");
}
