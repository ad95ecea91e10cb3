import { type Files, joinPath } from "../../drivers/files/files.ts";
import type { WalRange } from "../../schema/segment-meta.ts";
import { walFileName, walFirstLsns } from "./wal-format.ts";

/** The positions that the files of a WAL folder cover, gaps included; `undefined` without files. */
export async function walExtent(files: Files, dir: string): Promise<WalRange | undefined> {
  const firstLsns = walFirstLsns(await files.list(dir));
  const from = firstLsns[0];
  const last = firstLsns.at(-1);
  if (from === undefined || last === undefined) return undefined;
  const stat = await files.stat(joinPath(dir, walFileName(last)));
  return { from, to: last + (stat?.sizeBytes ?? 0) };
}
