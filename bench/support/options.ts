import { parseArgs } from "node:util";

export const BENCH_NAMES = [
  "decode",
  "segment",
  "generator",
  "compaction",
  "catalog",
  "server",
  "abuse",
  "query",
  "sql",
] as const;
export type BenchName = (typeof BENCH_NAMES)[number];

export const PROTOCOLS = ["http", "grpc"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export const RUNTIMES = ["node", "bun", "deno"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

export type BenchOptions = {
  readonly names: readonly BenchName[];
  /** Tiny sizes: shows that everything works and counts right, not how fast it is. */
  readonly smoke: boolean;
  /** Spans of each chosen bench instead of its own default. */
  readonly spans: number | undefined;
  /** Segments of the catalog, or that hold the stored spans of the query benches, instead of the default. */
  readonly segments: number | undefined;
  /** Repetitions of each measurement instead of the bench's own default. */
  readonly runs: number | undefined;
  /** What the server runs on. */
  readonly runtime: RuntimeName;
  readonly protocols: readonly Protocol[];
  /** Makes the stored spans of the query benches, or the catalog's segments, again. */
  readonly rebuild: boolean;
};

export const USAGE = `usage: npm run bench -- [names] [flags]

  names            ${BENCH_NAMES.join(", ")}; all when none is given
  --smoke          tiny sizes, under a minute for all: checks the counts, measures nothing
  --spans N        spans instead of each bench's default
  --segments N     query, sql: segments that hold them; catalog: segments in it
  --runs N         repetitions of each measurement
  --runtime NAME   what the server runs on: ${RUNTIMES.join(", ")} (PINTAIL_BUN, PINTAIL_DENO: their paths)
  --protocol NAME  server bench: only ${PROTOCOLS.join(" or ")}
  --rebuild        query, sql: make the stored spans again; catalog: its segments
`;

export class UsageError extends Error {}

export function parseOptions(args: readonly string[]): BenchOptions | "help" {
  const { values, positionals } = parse(args);
  if (values.help === true) return "help";
  const protocol = values.protocol;
  return {
    names: BENCH_NAMES.filter((name) => positionals.length === 0 || positionals.includes(name)),
    smoke: values.smoke === true,
    spans: positive("spans", values.spans),
    segments: positive("segments", values.segments),
    runs: positive("runs", values.runs),
    runtime: oneOf("runtime", values.runtime ?? "node", RUNTIMES),
    protocols: protocol === undefined ? PROTOCOLS : [oneOf("protocol", protocol, PROTOCOLS)],
    rebuild: values.rebuild === true,
  };
}

function parse(args: readonly string[]) {
  try {
    const parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: "boolean" },
        smoke: { type: "boolean" },
        rebuild: { type: "boolean" },
        spans: { type: "string" },
        segments: { type: "string" },
        runs: { type: "string" },
        runtime: { type: "string" },
        protocol: { type: "string" },
      },
    });
    for (const name of parsed.positionals) oneOf("bench", name, BENCH_NAMES);
    return parsed;
  } catch (e) {
    throw e instanceof UsageError ? e : new UsageError(e instanceof Error ? e.message : String(e));
  }
}

function oneOf<T extends string>(what: string, text: string, known: readonly T[]): T {
  const found = known.find((name) => name === text);
  if (found === undefined) {
    throw new UsageError(`unknown ${what} "${text}"; known are ${known.join(", ")}`);
  }
  return found;
}

const MAX_COUNT = 1_000_000_000;

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text.replaceAll("_", ""));
  if (!Number.isSafeInteger(number) || number < 1 || number > MAX_COUNT) {
    throw new UsageError(`--${name} takes an integer from 1 to ${MAX_COUNT}, not "${text}"`);
  }
  return number;
}
