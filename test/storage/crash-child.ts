/** Appends to a WAL and commits to a catalog for ever, and says what is durable; to be killed. */
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { Wal } from "../../src/storage/wal/wal.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";
import { openTestCatalog } from "./catalog/catalog-support.ts";

const dir = process.argv[2] ?? "";
const first = Number(process.argv[3]);
const catalog = await openTestCatalog(`${dir}/data`);
const { cutTo } = catalog.walPositions();
const files = nodeFiles();
const wal = await Wal.open(
  { files, dir: `${dir}/wal`, recoverFrom: 0, startAtLeast: cutTo, nowMs: Date.now },
  { maxFileBytes: 20_000 },
);
const body = (i: number) => new TextEncoder().encode(`${i}:`.padEnd(i % 700, "."));
const entry = { tenant: "acme", format: 1, encoding: 0, receivedUnixMs: 0, maxDecodedBytes: 1 };
console.log("ready");
for (let i = first; ; i++) {
  const { endLsn, durable } = wal.append({ ...entry, body: body(i) });
  const said = durable.then(() => console.log(`wal ${i}`));
  if (i % 20 !== 19) continue;
  await said;
  await catalog.commit({ add: [aSegmentMeta({ id: `s${i}` })], cutTo: endLsn });
  console.log(`catalog ${i} ${endLsn}`);
}
