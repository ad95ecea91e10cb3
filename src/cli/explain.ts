/** `pintail explain '<TraceQL>'`: how a server answers a query. */
import { EXPLAIN_HELP, parseExplainArguments } from "./explain/arguments.ts";
import { runExplain } from "./explain/run-explain.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let parsed: ReturnType<typeof parseExplainArguments>;
  try {
    parsed = parseExplainArguments(args, Date.now());
  } catch (error) {
    console.error(`pintail explain: ${messageOf(error)}\n\n${EXPLAIN_HELP}`);
    return 2;
  }
  if (parsed === undefined) {
    console.log(EXPLAIN_HELP);
    return 0;
  }
  try {
    process.stdout.write(await runExplain(parsed));
    return 0;
  } catch (error) {
    console.error(`pintail explain: ${messageOf(error)}`);
    return 1;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
