import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { runScript } from "../support/run-script.ts";
import { openTestCatalog } from "./catalog/catalog-support.ts";
import { openWal, replayed, temporaryFolder, textOf } from "./wal/wal-support.ts";

const CHILD = fileURLToPath(new URL("./crash-child.ts", import.meta.url));

/** Runs the child until it has said `lines` lines, kills it, and gives all that it said. */
async function runAndKill(dir: string, first: number, lines: number): Promise<string[]> {
  const child = runScript(CHILD, [dir, String(first)]);
  let said = "";
  const exited = new Promise((resolve) => child.once("close", resolve));
  child.stdout.on("data", (bytes) => {
    said += bytes;
    if (said.split("\n").length > lines) child.kill("SIGKILL");
  });
  await exited;
  return said.split("\n").slice(0, -1);
}

test("whatever was said to be durable is there after SIGKILL, again and again", async () => {
  const dir = temporaryFolder();
  const durable: number[] = [];
  const segments: string[] = [];
  let cutTo = 0;
  for (const [round, lines] of [30, 77, 150].entries()) {
    for (const line of await runAndKill(dir, round * 100_000, lines)) {
      const [what, id, lsn] = line.split(" ");
      if (what === "wal") durable.push(Number(id));
      if (what === "catalog") segments.push(`s${id}`);
      if (what === "catalog") cutTo = Number(lsn);
    }
    const catalog = await openTestCatalog(`${dir}/data`);
    const ids = new Set(catalog.segments("acme").map(({ id }) => id));
    expect(segments.filter((id) => !ids.has(id))).toEqual([]);
    expect(catalog.walPositions().cutTo).toBeGreaterThanOrEqual(cutTo);
    await catalog[Symbol.asyncDispose]();
    const wal = await openWal(`${dir}/wal`);
    const found = (await replayed(wal)).map((record) => Number.parseInt(textOf(record), 10));
    expect(found).toEqual([...found].sort((a, b) => a - b));
    const present = new Set(found);
    expect(durable.filter((id) => !present.has(id))).toEqual([]);
    expect(wal.recovery.damaged).toEqual([]);
    await wal.close();
  }
  expect(durable.length).toBeGreaterThan(200);
  expect(segments.length).toBeGreaterThan(3);
}, 60_000);
