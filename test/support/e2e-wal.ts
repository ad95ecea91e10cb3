import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const HEADER_BYTES = 48;

export type WalRecordPlace = { readonly start: number; readonly end: number };

/** Paths of the WAL files that hold anything, oldest first. */
export function walFiles(dir: string): string[] {
  return readdirSync(join(dir, "wal"))
    .filter((name) => name.endsWith(".wal"))
    .sort()
    .map((name) => join(dir, "wal", name))
    .filter((path) => readFileSync(path).length > 0);
}

/** Where the records of an undamaged WAL file lie, voids included. */
export function walRecords(path: string): WalRecordPlace[] {
  const bytes = readFileSync(path);
  const records: WalRecordPlace[] = [];
  for (let start = 0; start < bytes.length; ) {
    if (bytes.toString("latin1", start, start + 4) !== "PTW1") {
      throw new Error(`no record at ${start} of ${path}`);
    }
    const bodyBytes = bytes.readUInt32LE(start + 20);
    const tenantBytes = bytes.readUInt16LE(start + 36);
    const end = start + HEADER_BYTES + tenantBytes + bodyBytes;
    records.push({ start, end });
    start = end;
  }
  return records;
}

/** Contents of the quarantine folder's `.bin` files. */
export function quarantined(dir: string): Buffer[] {
  try {
    const folder = join(dir, "wal", "quarantine");
    return readdirSync(folder)
      .filter((name) => name.endsWith(".bin"))
      .sort()
      .map((name) => readFileSync(join(folder, name)));
  } catch {
    return [];
  }
}

/** Paths of the segments of all tenants. */
export function segmentFiles(dir: string): string[] {
  const blocks = join(dir, "blocks");
  return readdirSync(blocks)
    .filter((tenant) => !tenant.startsWith("@"))
    .flatMap((tenant) =>
      readdirSync(join(blocks, tenant)).map((name) => join(blocks, tenant, name)),
    )
    .filter((path) => path.endsWith(".parquet"));
}
