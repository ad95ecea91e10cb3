import type { Explanation } from "../../api/wire/explanation.ts";
import { queriesOf } from "../../traceql/metrics-query.ts";
import { parseMetricsQuery } from "../../traceql/metrics-query-parser.ts";
import type { ExplainArguments } from "./arguments.ts";
import { explanationText } from "./print-explanation.ts";

/** Asks the server; the text to print. Rejects with an `Error` to show. */
export async function runExplain(args: ExplainArguments): Promise<string> {
  const path = isMetricsQuery(args.query) ? "/api/metrics/query_range" : "/api/search";
  const params = new URLSearchParams({ q: args.query, explain: "true" });
  if (args.start !== undefined) params.set("start", String(args.start));
  if (args.end !== undefined) params.set("end", String(args.end));
  if (args.limit !== undefined) params.set("limit", args.limit);
  let response: Response;
  try {
    response = await fetch(`${args.url}${path}?${params}`, {
      headers: args.tenant === undefined ? {} : { "x-scope-orgid": args.tenant },
    });
  } catch (cause) {
    throw new Error(`no server answers at ${args.url}; see --url`, { cause });
  }
  const text = await response.text();
  if (response.status !== 200) throw new Error(text.trim() || `status ${response.status}`);
  if (args.json) return `${text}\n`;
  return explanationText(JSON.parse(text) as Explanation, args.verbose);
}

/** What does not parse is no search either; the server says why. */
function isMetricsQuery(text: string): boolean {
  try {
    return queriesOf(parseMetricsQuery(text).expr).some(({ metrics }) => metrics !== undefined);
  } catch {
    return false;
  }
}
