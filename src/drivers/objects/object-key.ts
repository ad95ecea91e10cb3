import { PintailError } from "../../errors.ts";

/** S3 and GCS take 1024 bytes, of which the store's prefix needs some. */
const MAX_KEY_LENGTH = 768;
/** A name must also fit into a folder, beside the ending of a temporary file. */
const MAX_NAME_LENGTH = 200;
const KEY = /^[A-Za-z0-9_=-][A-Za-z0-9_=.-]*(?:\/[A-Za-z0-9_=-][A-Za-z0-9_=.-]*)*$/;
const KEY_START = /^(?:[A-Za-z0-9_=-][A-Za-z0-9_=.-]*\/)*(?:[A-Za-z0-9_=-][A-Za-z0-9_=.-]*)?$/;

/**
 * Refuses what could leave the folder, needs encoding somewhere, or is another key elsewhere. Tenant
 * names are free text: encode them first.
 */
export function checkKey(key: string): void {
  if (
    key.length > MAX_KEY_LENGTH ||
    !KEY.test(key) ||
    key.split("/").some((name) => name.length > MAX_NAME_LENGTH)
  ) {
    throw new PintailError("invalid", `bad object key '${key.slice(0, MAX_KEY_LENGTH)}'`);
  }
}

/** What `list` may be asked for: any beginning of a key. */
export function checkListPrefix(prefix: string): void {
  if (prefix.length > MAX_KEY_LENGTH || !KEY_START.test(prefix)) {
    throw new PintailError("invalid", `bad key prefix '${prefix.slice(0, MAX_KEY_LENGTH)}'`);
  }
}

/** A configured prefix as it stands before keys: no slash in front, one behind unless it is empty. */
export function normalPrefix(prefix: string): string {
  const names = prefix.split("/").filter((name) => name !== "");
  return names.length === 0 ? "" : `${names.join("/")}/`;
}
