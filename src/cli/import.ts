/** `pintail import PATH…`: sends traces from files to a server. */
import { IMPORT_HELP, parseImportArguments } from "./import/arguments.ts";
import { runImport } from "./import/run-import.ts";

const stopping = new AbortController();
process.once("SIGINT", () => stopping.abort());
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let parsed: ReturnType<typeof parseImportArguments>;
  try {
    parsed = parseImportArguments(args);
  } catch (error) {
    console.error(`pintail import: ${messageOf(error)}\n\n${IMPORT_HELP}`);
    return 2;
  }
  if (parsed === undefined) {
    console.log(IMPORT_HELP);
    return 0;
  }
  const { stdin, stderr } = process;
  try {
    const summary = await runImport(parsed, { stdin, stderr }, stopping.signal);
    const { files, failedFiles, spans } = summary;
    const done = parsed.dryRun ? "found" : "imported";
    console.log(`${done} ${spans} spans of ${files} files, ${failedFiles} of them with errors`);
    return failedFiles > 0 ? 1 : 0;
  } catch (error) {
    if (stopping.signal.aborted) return 130;
    console.error(`pintail import: ${messageOf(error)}`);
    return 1;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
