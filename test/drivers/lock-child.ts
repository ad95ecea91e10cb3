/** Takes the lock that is named, says so, and keeps it until it is killed. */
import { nodeFiles } from "../../src/drivers/files/node-files.ts";

await nodeFiles().lock(process.argv[2] ?? "");
console.log("locked");
setInterval(() => {}, 1_000_000);
