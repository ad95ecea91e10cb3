import { foldMetrics, type MetricsQuery, queriesOf } from "../metrics-query.ts";
import { TraceQLError } from "../traceql-error.ts";
import { checkQuery } from "./check.ts";
import { checkSecondStages } from "./metrics.ts";

/** Each is a query of its own to run. */
const MAX_QUERIES = 16;
const MAX_OPERATIONS = 256;

/** As `checkQuery`, for all queries of an expression and for what connects them. */
export function checkMetricsQuery({ expr, second }: MetricsQuery): void {
  const queries = queriesOf(expr);
  if (queries.length > MAX_QUERIES) {
    throw new TraceQLError(
      `query has ${queries.length} metrics queries, the limit is ${MAX_QUERIES}`,
    );
  }
  let operations = 0;
  foldMetrics<void>(expr, ({ type }) => {
    if (type === "operation") operations++;
  });
  if (operations > MAX_OPERATIONS) {
    throw new TraceQLError(
      `query has ${operations} operations between metrics queries, the limit is ${MAX_OPERATIONS}`,
    );
  }
  for (const query of queries) {
    checkQuery(query);
    if (query.metrics !== undefined) checkSecondStages(query.metrics, second);
    if (query.metrics?.type === "compare" && expr.type === "operation") {
      throw new TraceQLError("compare() cannot be an operand of arithmetic");
    }
  }
}
