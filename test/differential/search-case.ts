import { isDeepStrictEqual } from "node:util";
import { isPintailError } from "../../src/errors.ts";
import type { Query } from "../../src/traceql/ast.ts";
import { parseQuery } from "../../src/traceql/parser.ts";
import type { SegmentStore } from "../query/segment-store.ts";
import { engineSearch } from "./engine.ts";
import { isValid } from "./oracle/check.ts";
import { searchOracle } from "./oracle/search.ts";
import { queryText } from "./oracle/text.ts";
import type { OracleTrace } from "./oracle/trace.ts";
import type { Outcome } from "./outcome.ts";

export type SearchOptions = { readonly limit: number; readonly spansPerSpanset: number };

/** One query through the engine and the oracle. */
export async function runSearch(
  store: SegmentStore,
  traces: readonly OracleTrace[],
  query: Query,
  options: SearchOptions,
): Promise<Outcome> {
  const text = queryText(query);
  // The text is what both get: how the tree prints must not matter.
  const parsed = parseQuery(text);
  const valid = isValid(parsed);
  const expected = valid ? searchOracle(traces, parsed, options) : "refused as invalid";
  let actual: unknown;
  try {
    actual = await engineSearch(store, text, options);
  } catch (error) {
    if (!valid && isPintailError(error, "invalid")) return { type: "refused" };
    actual = String(error);
  }
  if (!isDeepStrictEqual(actual, expected)) return { type: "different", expected, actual };
  return { type: "same", found: expected.length };
}
