import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { openTestCatalog } from "../storage/catalog/catalog-support.ts";

/** Paths of all files of a data folder, relative to it. */
export function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(dir, name), { throwIfNoEntry: false })?.isFile(),
  );
}

const SEGMENT = /([0-9A-Z]{26})\.parquet$/;

/** Ids of the segments that the folder, or the list of a bucket's keys, has as whole files. */
export function segmentIds(names: readonly string[]): string[] {
  return names.flatMap((name) => SEGMENT.exec(name)?.[1] ?? []).sort();
}

/**
 * What a stopped server's folder and bucket (its keys) have that its catalog does not know, not even
 * as something to be deleted, and the other way round.
 */
export async function orphansOf(
  dir: string,
  bucketKeys: readonly string[] | undefined,
): Promise<string[]> {
  const files = filesOf(dir);
  const catalogDir = files.find((name) => name.endsWith("catalog.duckdb"))?.replace(/[^/]*$/, "");
  const wrong = files.filter((name) => /\.parquet\.|\.(orphan|corrupt)$|\.tmp-/.test(name));
  const catalog = await openTestCatalog(join(dir, catalogDir ?? ""), {
    rebuild: () => Promise.reject(new Error("the catalog is missing or broken")),
  });
  try {
    const known = catalog.tenants().flatMap((tenant) => catalog.segments(tenant));
    // A merge just before the end: the next process deletes what it replaced.
    const waiting = catalog.deletable(Number.NEGATIVE_INFINITY);
    const knownIds = new Set([...known, ...waiting].map(({ id }) => id));
    const local = new Set(segmentIds(files.filter((name) => name.startsWith("blocks/"))));
    const stored = new Set(segmentIds(bucketKeys ?? []));
    for (const id of local) if (!knownIds.has(id)) wrong.push(`local file of ${id}`);
    for (const id of stored) if (!knownIds.has(id)) wrong.push(`object of ${id}`);
    for (const { id, object } of known) {
      if (object === undefined && !local.has(id)) wrong.push(`${id} has no file`);
      if (object !== undefined && !stored.has(id)) wrong.push(`${id} has no object`);
    }
    return wrong;
  } finally {
    await catalog[Symbol.asyncDispose]();
  }
}
