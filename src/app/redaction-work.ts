import { PintailError } from "../errors.ts";
import { compileSearch } from "../query/compile-search.ts";
import { matchingTraceIds } from "../query/matching-traces.ts";
import type { QueryEngine } from "../query/query-context.ts";
import { type RedactionParts, Redactions } from "../storage/redaction/redactions.ts";
import type { RetentionSettings } from "../storage/settings.ts";
import type { Logger } from "../telemetry/logger.ts";
import { parseQuery } from "../traceql/parser.ts";
import { ulidSource } from "../util/ulid.ts";
import type { Core } from "./core.ts";
import type { Storage } from "./storage.ts";

/** Traces by queries that wait behind those of users. */
export function redactedTracesWith(engine: QueryEngine): RedactionParts["findTraces"] {
  return async ({ tenant, query, range, maxTraces }, signal) => {
    const search = compileSearch(query, engine.context.settings.maxQueryBytes);
    // A search takes the traces that it counts; here that must be said.
    if (parseQuery(query).metrics !== undefined) {
      throw new PintailError("invalid", "a metrics query names no traces, give its filter alone");
    }
    return await matchingTraceIds(engine, {
      ...{ tenant, search, range, maxTraces, signal, background: true },
    });
  };
}

/** Not as queries do it, which make do with less when the disk is full. */
async function cutAll(core: Core, signal: AbortSignal): Promise<void> {
  try {
    await core.cutter.cutNow(signal);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new PintailError("canceled", "redaction canceled", { cause });
  }
}

const TICK_MS = 5000;

/** Redactions that are followed until `stop`, which comes before the core's end. */
export function followRedactions(
  core: Core,
  { catalog, bucket }: Pick<Storage, "catalog" | "bucket">,
  findTraces: RedactionParts["findTraces"],
  retention: RetentionSettings,
  { log, nowMs }: { readonly log: Logger; readonly nowMs: () => number },
): { readonly redactions: Redactions; readonly stop: () => Promise<void> } {
  const redactions = new Redactions(
    {
      catalog,
      keep: bucket && ((all) => bucket.redactions.write(all)),
      cutHead: (signal) => cutAll(core, signal),
      findTraces,
      mayHold: (segment) => core.compactor.hiddenChecks.mayHold(segment),
      wal: core.wal,
      newId: ulidSource(nowMs),
      nowMs,
      log,
    },
    { deleteGraceMs: retention.deleteGraceMs, deleteIntervalMs: retention.intervalMs },
  );
  core.onChecked = (check) => redactions.onChecked(check);
  const timer = setInterval(() => void redactions.tick(), TICK_MS);
  return {
    redactions,
    stop: async () => {
      clearInterval(timer);
      await redactions.close();
    },
  };
}
