import process from "node:process";
import { retentionCommand } from "./retention-command.ts";

process.exitCode = await retentionCommand(process.argv.slice(2), (line) => console.log(line));
