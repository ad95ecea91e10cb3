export const OUTPUT_FORMATS = ["table", "csv", "json", "ndjson", "parquet"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export type SqlArguments = {
  /** Absent: standard input. */
  readonly statement: string | undefined;
  readonly file: string | undefined;
  readonly format: OutputFormat;
  /** Absent: standard output. */
  readonly output: string | undefined;
  readonly url: string | undefined;
  readonly dataDir: string | undefined;
  readonly configFile: string | undefined;
  readonly tenant: string | undefined;
  /** 0 = all rows. */
  readonly limit: number;
  readonly timeoutMs: number | undefined;
};

export const SQL_HELP = `pintail sql [options] "select …"

Answers one SQL statement (DuckDB's dialect, reading only) over the view "spans": a row per span.
The statement also comes from a file (-f) or from standard input. "describe spans" lists the columns.

  --format F        table (default), csv, json, ndjson or parquet
  -o, --output FILE write there instead of to standard output
  -f, --file FILE   read the statement from there
  --limit N         end the result after N rows
  --timeout S       seconds the query may take (60)
  --tenant ID       tenant whose spans are read, where there are several

Where the spans are: a running server is asked; a data folder is read where none runs.
  --url URL         the server (http://localhost:3200, when one answers there)
  --data-dir DIR    the data folder (./pintail-data)
  -config.file FILE the server's configuration file, which names its data folder

Attributes are maps of text: span_attributes['http.route'], resource_attributes['k8s.pod.name'].
  pintail sql "select name, count(*) from spans where span_attributes['http.response.status_code'] = '500' group by all"
`;

/** Throws an `Error` that says what is wrong. `undefined`: help was asked for. */
export function parseSqlArguments(args: readonly string[]): SqlArguments | undefined {
  const values = new Map<string, string>();
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "-h" || arg === "--help") return undefined;
    if (arg === "--") {
      words.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
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
  if (words.length > 1) throw new Error("put the statement into quotes: more than one was given");
  const [word] = words;
  if (word !== undefined && values.has("file")) {
    throw new Error("a statement and -f were given: one of them is enough");
  }
  if (values.has("url") && (values.has("data-dir") || values.has("config.file"))) {
    throw new Error("--url asks a server, --data-dir and -config.file read a folder: give one");
  }
  const seconds = numberOption(values, "timeout");
  const limit = numberOption(values, "limit") ?? 0;
  if (!Number.isInteger(limit)) throw new Error("--limit must be a whole number");
  return {
    statement: word === "-" ? undefined : word,
    file: values.get("file"),
    format: formatOption(values.get("format")),
    output: values.get("output"),
    url: values.get("url"),
    dataDir: values.get("data-dir"),
    configFile: values.get("config.file"),
    tenant: values.get("tenant"),
    limit,
    timeoutMs: seconds === undefined ? undefined : seconds * 1000,
  };
}

const OPTIONS: ReadonlyMap<string, string> = new Map([
  ...["format", "output", "file", "limit", "timeout", "tenant", "url", "data-dir"].map(
    (name) => [`--${name}`, name] as const,
  ),
  ["-o", "output"],
  ["-f", "file"],
  ["-config.file", "config.file"],
  ["--config.file", "config.file"],
]);

function numberOption(values: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,12}(\.\d{1,6})?$/.test(text)) throw new Error(`--${name} '${text}' is not a number`);
  return Number(text);
}

function formatOption(text = "table"): OutputFormat {
  const format = OUTPUT_FORMATS.find((name) => name === text);
  if (format !== undefined) return format;
  throw new Error(`--format '${text}' is none of ${OUTPUT_FORMATS.join(", ")}`);
}
