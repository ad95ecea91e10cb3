import process from "node:process";
import { catalogCommand } from "./catalog-command.ts";

process.exitCode = await catalogCommand(process.argv.slice(2));
