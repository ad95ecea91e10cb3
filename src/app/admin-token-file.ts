import { type Files, joinPath } from "../drivers/files/files.ts";
import { bytesToHex } from "../util/hex.ts";

export const ADMIN_TOKEN_FILE = "admin-token";
const TOKEN_BYTES = 32;
const MAX_FILE_BYTES = 1024;

/**
 * The admin token of the data folder, for those who may read the server's files: made at the first
 * start, readable by the owner alone. A file that holds none is written anew.
 */
export async function adminTokenOf(files: Files, dataDir: string): Promise<string> {
  const path = joinPath(dataDir, ADMIN_TOKEN_FILE);
  if ((await files.stat(path)) !== undefined) {
    const known = await readAdminToken(files, path);
    if (known !== undefined) return known;
  }
  const token = bytesToHex(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES)));
  const text = new TextEncoder().encode(`${token}\n`);
  await files.writeFileAtomic(path, text, { ownerOnly: true });
  return token;
}

/** `undefined` when the file holds no token. */
export async function readAdminToken(
  files: Pick<Files, "readFile">,
  path: string,
): Promise<string | undefined> {
  const text = new TextDecoder().decode(await files.readFile(path, MAX_FILE_BYTES)).trim();
  return /^[0-9a-f]{64}$/.test(text) ? text : undefined;
}
