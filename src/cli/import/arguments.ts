export type ImportArguments = {
  /** At least one; "-" = standard input. */
  readonly paths: readonly string[];
  /** Of the OTLP/HTTP door, with its path. */
  readonly url: string;
  readonly tenant: string | undefined;
  /** Counts spans and checks them; sends nothing. */
  readonly dryRun: boolean;
};

const DEFAULT_URL = "http://localhost:4318";
const TRACES_PATH = "/v1/traces";

export const IMPORT_HELP = `pintail import [options] PATH…

Sends traces from files to a server, with the times that they have. A path is a file, a folder (all
files in it, and in its folders) or - for standard input. What a file is, is told by its content:
OTLP in JSON (a document, or one a line) or protobuf (a message, or many behind their lengths), what
the OpenTelemetry Collector's file exporter writes, answers of Tempo's /api/traces and
/api/v2/traces, and what "pintail export" writes; each also compressed with gzip or zstd.

  --url URL      the server's OTLP/HTTP door (${DEFAULT_URL})
  --tenant ID    the tenant to send for
  --dry-run      only check the files and count their spans

A file that is damaged is named, with what is wrong; the others are imported all the same, and the
exit code is 1 then. Importing a file twice does no harm: a span is shown once.
`;

/** Throws an `Error` that says what is wrong. `undefined`: help was asked for. */
export function parseImportArguments(args: readonly string[]): ImportArguments | undefined {
  const paths: string[] = [];
  const values = new Map<string, string>();
  let dryRun = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "-h" || arg === "--help") return undefined;
    if (arg === "--") {
      paths.push(...args.slice(i + 1));
      break;
    }
    if (arg === "-" || !arg.startsWith("-")) {
      paths.push(arg);
      continue;
    }
    if (arg === "--dry-run") {
      dryRun = true;
      continue;
    }
    const [name, inline] = arg.split(/=(.*)/s) as [string, string | undefined];
    if (name !== "--url" && name !== "--tenant") throw new Error(`unknown option '${name}'`);
    const value = inline ?? args[++i];
    if (value === undefined) throw new Error(`${name} needs a value`);
    values.set(name, value);
  }
  if (paths.length === 0) throw new Error("no file was given");
  if (paths.filter((path) => path === "-").length > 1) throw new Error("'-' was given twice");
  const url = doorOf(values.get("--url") ?? DEFAULT_URL);
  return { paths, url, tenant: values.get("--tenant"), dryRun };
}

/** A path of its own is taken as it is. */
function doorOf(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new Error(`--url '${text}' is no http or https address`);
  }
  const url = new URL(text);
  if (url.pathname === "/") url.pathname = TRACES_PATH;
  return url.href;
}
