import { PintailError } from "../../errors.ts";
import { compileSearch } from "../../query/compile-search.ts";
import { type ExportRequest, exportTraces } from "../../query/export/export-traces.ts";
import type { QueryContext } from "../../query/query-context.ts";
import { type OtlpFileFormat, otlpFileMessage } from "../wire/otlp-file.ts";
import { downloadStream } from "./download-stream.ts";
import { parseUint, quoted } from "./go-numbers.ts";
import type { ApiHandler, QueryRouteParts } from "./route-context.ts";
import { searchRange } from "./time-params.ts";

/** Exports at once: each searches again and again, for as long as its client reads. */
const MAX_EXPORTS = 2;
const RETRY_AFTER_MS = 10_000;
const MAX_UINT32 = 2n ** 32n - 1n;

const TYPES: Readonly<Record<OtlpFileFormat, string>> = {
  "otlp-json": "application/x-ndjson",
  "otlp-proto": "application/octet-stream",
};

/**
 * `/api/export?q={…}&start&end&since&limit&format`: all traces that match, whole, newest first, as
 * an OTLP file (`otlp-json`, the default, or `otlp-proto`; see `otlpFileMessage`). Without `limit`
 * there is no end to their number. A failure before the first trace has its status, a later one
 * cuts the connection.
 */
export function exportRoute({ engine, log }: QueryRouteParts): ApiHandler {
  let running = 0;
  return async (api) => {
    const format = formatParam(api.params.get("format"));
    const request = exportRequest(engine.context, api.params);
    if (running >= MAX_EXPORTS) {
      throw new PintailError("limited", `${MAX_EXPORTS} exports are running`, {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    running++;
    api.keepOpen();
    return await downloadStream({
      request: api.request,
      contentType: TYPES[format],
      open: (signal) =>
        messages(exportTraces(engine, { ...request, tenants: api.tenants, signal }), format),
      onEnd: (error) => {
        running--;
        if (error !== undefined) log.warn("export cut short", { error });
      },
    });
  };
}

async function* messages(
  traces: ReturnType<typeof exportTraces>,
  format: OtlpFileFormat,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  for await (const trace of traces) yield otlpFileMessage(trace, format);
}

function formatParam(text: string | null): OtlpFileFormat {
  if (text === null || text === "") return "otlp-json";
  if (text === "otlp-json" || text === "otlp-proto") return text;
  throw new PintailError(
    "invalid",
    `invalid format ${quoted(text.slice(0, 100))}: must be otlp-json or otlp-proto`,
  );
}

function exportRequest(
  { settings, nowMs }: QueryContext,
  params: URLSearchParams,
): Pick<ExportRequest, "search" | "range" | "limit"> {
  const query = params.get("q") ?? "";
  if (query === "") throw new PintailError("invalid", "q is missing: {} stands for all traces");
  const limit = params.get("limit") ?? "";
  return {
    search: compileSearch(query, settings.maxQueryBytes),
    // Any length: each search ends with its page.
    range: searchRange(params, { nowMs: nowMs(), settings, maxDurationMs: 0 }),
    limit: limit === "" ? 0 : Number(parseUint("limit", limit, MAX_UINT32)),
  };
}
