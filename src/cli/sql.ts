/** `pintail sql "select …"`: ad-hoc SQL over the spans of a server or of a data folder. */
import { parseSqlArguments, SQL_HELP, type SqlArguments } from "./sql/arguments.ts";
import { runSql } from "./sql/run-sql.ts";

// `pintail sql … | head` is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});
const stopping = new AbortController();
process.once("SIGINT", () => {
  stopping.abort();
  process.exitCode = 130;
});
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let parsed: SqlArguments | undefined;
  try {
    parsed = parseSqlArguments(args);
  } catch (error) {
    console.error(`pintail sql: ${messageOf(error)}\n\n${SQL_HELP}`);
    return 2;
  }
  if (parsed === undefined) {
    console.log(SQL_HELP);
    return 0;
  }
  if (parsed.statement === undefined && parsed.file === undefined && process.stdin.isTTY) {
    console.error(`pintail sql: no statement was given\n\n${SQL_HELP}`);
    return 2;
  }
  try {
    const { stdin, stdout } = process;
    await runSql(parsed, { stdin, stdout }, stopping.signal);
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) return 130;
    console.error(`pintail sql: ${messageOf(error)}`);
    return 1;
  }
}

/** A body that breaks off says only so; its cause says why. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : "";
  return error instanceof TypeError ? `${error.message}${cause}` : error.message;
}
