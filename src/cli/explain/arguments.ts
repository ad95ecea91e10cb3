export type ExplainArguments = {
  readonly query: string;
  readonly url: string;
  readonly tenant: string | undefined;
  /** As the API takes them: Unix seconds. */
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly limit: string | undefined;
  readonly json: boolean;
  /** Statements are shown whole. */
  readonly verbose: boolean;
};

const DEFAULT_URL = "http://localhost:3200";

export const EXPLAIN_HELP = `pintail explain [options] '<TraceQL>'

Runs a query on a server and shows how: the plan, the segments that were read and why the others
were not, the SQL statements with their rows and times. A metrics query runs as a range query.

  --since D      the last D of time, e.g. 30s, 15m, 6h, 2d (1h)
  --start, --end the range instead, in Unix seconds
  --limit N      traces that are looked for (20)
  --tenant ID    whose spans, where there are several tenants
  --url URL      the server (${DEFAULT_URL})
  --verbose      statements and lists of segments in full
  --json         the API's answer as it is
`;

/** Throws an `Error` that says what is wrong. `undefined`: help was asked for. */
export function parseExplainArguments(
  args: readonly string[],
  nowMs: number,
): ExplainArguments | undefined {
  const values = new Map<string, string>();
  const flags = new Set<string>();
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "-h" || arg === "--help") return undefined;
    if (!arg.startsWith("--")) {
      words.push(arg);
      continue;
    }
    const [option, inline] = arg.slice(2).split(/=(.*)/s) as [string, string | undefined];
    if (FLAGS.includes(option)) {
      flags.add(option);
      continue;
    }
    if (!OPTIONS.includes(option)) throw new Error(`unknown option '--${option}'`);
    const value = inline ?? args[++i];
    if (value === undefined) throw new Error(`--${option} needs a value`);
    values.set(option, value);
  }
  const [query, ...more] = words;
  if (query === undefined) throw new Error("no query was given");
  if (more.length > 0) throw new Error("put the query into quotes: more than one was given");
  return {
    query,
    url: (values.get("url") ?? DEFAULT_URL).replace(/\/+$/, ""),
    tenant: values.get("tenant"),
    ...rangeOf(values, nowMs),
    limit: values.get("limit"),
    json: flags.has("json"),
    verbose: flags.has("verbose"),
  };
}

const OPTIONS = ["since", "start", "end", "limit", "tenant", "url"];
const FLAGS = ["json", "verbose"];
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

function rangeOf(values: ReadonlyMap<string, string>, nowMs: number) {
  const [start, end] = [secondsOption(values, "start"), secondsOption(values, "end")];
  if ((start === undefined) !== (end === undefined)) {
    throw new Error("--start and --end go together");
  }
  const since = values.get("since");
  if (start !== undefined) {
    if (since !== undefined) throw new Error("--since or --start and --end: give one");
    return { start, end };
  }
  const [, count, unit] = /^([0-9]{1,9})([smhd])$/.exec(since ?? "1h") ?? [];
  if (count === undefined || unit === undefined) {
    throw new Error(`--since '${since}' is no duration such as 15m`);
  }
  const now = Math.ceil(nowMs / 1000);
  return { start: Math.max(0, now - Number(count) * UNIT_SECONDS[unit]!), end: now };
}

function secondsOption(values: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,10}$/.test(text)) throw new Error(`--${name} '${text}' is not in Unix seconds`);
  return Number(text);
}
