/** `pintail export '<TraceQL>'`: whole traces of a server as OTLP or Parquet. */
import { EXPORT_HELP, parseExportArguments } from "./export/arguments.ts";
import { runExport } from "./export/run-export.ts";

// `pintail export … | head` is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});
const stopping = new AbortController();
process.once("SIGINT", () => stopping.abort());
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let parsed: ReturnType<typeof parseExportArguments>;
  try {
    parsed = parseExportArguments(args, Date.now());
  } catch (error) {
    console.error(`pintail export: ${messageOf(error)}\n\n${EXPORT_HELP}`);
    return 2;
  }
  if (parsed === undefined) {
    console.log(EXPORT_HELP);
    return 0;
  }
  const { stdout, stderr } = process;
  try {
    const done = await runExport(parsed, { stdout, stderr }, stopping.signal);
    if (done !== undefined) console.error(done);
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return 130;
    console.error(`pintail export: ${messageOf(error)}`);
    return 1;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
