import { type Files, joinPath } from "../../drivers/files/files.ts";
import { isPintailError } from "../../errors.ts";

const FILE = "catalog-id";
const MAX_BYTES = 256;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The id of a data folder's catalog, by which a bucket knows whose it is; made at the first call. It
 * stays when the catalog is rebuilt. Errors of the disk pass through.
 */
export async function catalogId(
  files: Files,
  dataDir: string,
  newUuid: () => string = () => crypto.randomUUID(),
): Promise<string> {
  const path = joinPath(dataDir, FILE);
  try {
    const text = new TextDecoder().decode(await files.readFile(path, MAX_BYTES)).trim();
    if (UUID.test(text)) return text;
  } catch (e) {
    if (!isPintailError(e, "not_found") && !isPintailError(e, "too_large")) throw e;
  }
  const id = newUuid();
  await files.writeFileAtomic(path, new TextEncoder().encode(`${id}\n`));
  return id;
}
