import type { FieldExpr } from "../traceql/ast.ts";
import { printSpanset } from "../traceql/print.ts";
import { allOf } from "./field-conditions.ts";
import { fieldTexts } from "./field-texts.ts";
import { strictestLimits } from "./http/limits.ts";
import { KIND_WORDS, ofKind, ofService } from "./jaeger-condition.ts";
import { type Asker, LOOKBACK_MS } from "./jaeger-search.ts";

export type JaegerOperation = {
  readonly name: string;
  /** "" where spans have none. */
  readonly spanKind: string;
};

/** Services with spans in the time that Jaeger looks back, sorted. */
export function jaegerServices(asker: Asker): Promise<string[]> {
  return recentTexts(asker, "resource.service.name", undefined);
}

/** Names of the service's spans, sorted, each once. */
export function jaegerOperationNames(asker: Asker, service: string): Promise<string[]> {
  return recentTexts(asker, "name", ofService(service));
}

/** The same with their kinds, or those of one kind; "" = all. */
export async function jaegerOperations(
  asker: Asker,
  service: string,
  spanKind: string,
): Promise<JaegerOperation[]> {
  const operations: JaegerOperation[] = [];
  for (const kind of KIND_WORDS) {
    if (spanKind !== "" && spanKind !== kind) continue;
    const names = await recentTexts(asker, "name", allOf([ofService(service), ofKind(kind)]));
    const shown = kind === "unspecified" ? "" : kind;
    for (const name of names) operations.push({ name, spanKind: shown });
  }
  return operations;
}

function recentTexts(
  { engine, tenants, signal }: Asker,
  field: string,
  filter: FieldExpr | undefined,
): Promise<string[]> {
  const { limitsFor, nowMs } = engine.context;
  const { maxSearchDurationMs } = strictestLimits(tenants.map((tenant) => limitsFor(tenant)));
  const end = nowMs();
  const start = end - Math.min(LOOKBACK_MS, maxSearchDurationMs || LOOKBACK_MS);
  const q = filter === undefined ? "" : printSpanset({ type: "filter", expr: filter });
  const params = new URLSearchParams({ q, start: nanosText(start), end: nanosText(end) });
  return fieldTexts({ engine, params, tenants, signal }, field);
}

function nanosText(unixMs: number): string {
  return `${BigInt(Math.trunc(unixMs)) * 1_000_000n}`;
}
