export const EXPORT_FORMATS = ["otlp-json", "otlp-proto", "parquet"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export type ExportArguments = {
  readonly query: string;
  readonly format: ExportFormat;
  /** Absent: standard output. */
  readonly output: string | undefined;
  readonly url: string;
  readonly tenant: string | undefined;
  /** As the API takes them, in Unix seconds; absent: all of time. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
  /** Traces at most, 0 = all. */
  readonly limit: number;
};

const DEFAULT_URL = "http://localhost:3200";

export const EXPORT_HELP = `pintail export [options] '<TraceQL>'

Writes all traces that match, each with all of its spans, newest first. '{}' stands for all traces.

  --format F        otlp-json (default): a line of OTLP/JSON for each trace
                    otlp-proto: OTLP protobuf messages, each behind its length (32 bits, big endian)
                    parquet: the columns that Pintail stores, a row for each span
                    The OTLP files are those of the OpenTelemetry Collector's file exporter.
  -o, --output PATH a file, or a folder that exists or ends in "/", to write there instead of to
                    standard output; Parquet needs it, and goes on in further files when it is long
  --since D         traces of the last D of time, e.g. 30s, 15m, 6h, 2d (all of time)
  --start, --end    traces of this range instead, in Unix seconds
  --limit N         at most the N newest traces (all)
  --tenant ID       whose traces, where there are several tenants
  --url URL         the server (${DEFAULT_URL})
`;

const OPTIONS: ReadonlyMap<string, string> = new Map([
  ...["format", "output", "since", "start", "end", "limit", "tenant", "url"].map(
    (name) => [`--${name}`, name] as const,
  ),
  ["-o", "output"],
]);
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Throws an `Error` that says what is wrong. `undefined`: help was asked for. */
export function parseExportArguments(
  args: readonly string[],
  nowMs: number,
): ExportArguments | undefined {
  const values = new Map<string, string>();
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "-h" || arg === "--help") return undefined;
    if (!arg.startsWith("-")) {
      words.push(arg);
      continue;
    }
    const [name, inline] = arg.split(/=(.*)/s) as [string, string | undefined];
    const option = OPTIONS.get(name);
    if (option === undefined) throw new Error(`unknown option '${name}'`);
    const value = inline ?? args[++i];
    if (value === undefined) throw new Error(`${name} needs a value`);
    values.set(option, value);
  }
  const [query, ...more] = words;
  if (query === undefined) throw new Error("no query was given: '{}' stands for all traces");
  if (more.length > 0) throw new Error("put the query into quotes: more than one was given");
  const format = formatOf(values.get("format"));
  const output = values.get("output");
  if (format === "parquet" && output === undefined) {
    throw new Error("Parquet goes into files: say where with -o PATH");
  }
  return {
    ...{ query, format, output, tenant: values.get("tenant") },
    url: (values.get("url") ?? DEFAULT_URL).replace(/\/+$/, ""),
    range: rangeOf(values, nowMs),
    limit: numberOption(values, "limit") ?? 0,
  };
}

function formatOf(text = "otlp-json"): ExportFormat {
  const format = EXPORT_FORMATS.find((name) => name === text);
  if (format !== undefined) return format;
  throw new Error(`--format '${text}' is none of ${EXPORT_FORMATS.join(", ")}`);
}

function rangeOf(values: ReadonlyMap<string, string>, nowMs: number): ExportArguments["range"] {
  const [start, end] = [numberOption(values, "start"), numberOption(values, "end")];
  const since = values.get("since");
  if (since === undefined) {
    if ((start === undefined) !== (end === undefined)) {
      throw new Error("--start and --end go together");
    }
    return start === undefined || end === undefined ? undefined : { start, end };
  }
  if (start !== undefined || end !== undefined) {
    throw new Error("--since or --start and --end: give one");
  }
  const [, count, unit] = /^([0-9]{1,9})([smhd])$/.exec(since) ?? [];
  if (count === undefined || unit === undefined) {
    throw new Error(`--since '${since}' is no duration such as 15m`);
  }
  // A second that has begun is within it.
  const now = Math.ceil(nowMs / 1000) + 1;
  return { start: Math.max(1, now - Number(count) * UNIT_SECONDS[unit]!), end: now };
}

function numberOption(values: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,10}$/.test(text)) throw new Error(`--${name} '${text}' is no whole number`);
  return Number(text);
}
