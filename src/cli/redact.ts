/** `pintail redact`: removes traces from a running server, and says how far it is. */
import { userInfo } from "node:os";
import process from "node:process";
import { findAdminToken } from "./redact/admin-token.ts";
import { parseRedactArguments, REDACT_HELP } from "./redact/arguments.ts";
import { runRedact } from "./redact/run-redact.ts";

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let parsed: ReturnType<typeof parseRedactArguments>;
  try {
    parsed = parseRedactArguments(args);
  } catch (error) {
    console.error(`pintail redact: ${messageOf(error)}\n\n${REDACT_HELP}`);
    return 2;
  }
  if (parsed.action.type === "help") {
    console.log(REDACT_HELP);
    return 0;
  }
  try {
    const token = await findAdminToken(parsed, process.env);
    await runRedact(parsed, token, userName(), (line) => console.log(line));
    return 0;
  } catch (error) {
    console.error(`pintail redact: ${messageOf(error)}`);
    return 1;
  }
}

/** Some containers have no entry for their user. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "";
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
