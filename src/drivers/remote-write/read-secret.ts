import { open } from "node:fs/promises";
import { PintailError } from "../../errors.ts";
import type { Secret } from "./settings.ts";

const MAX_SECRET_BYTES = 64 * 1024;

/** Throws `unavailable` for a file that cannot be read now: it may be in the midst of a rotation. */
export async function readSecret(secret: Secret): Promise<string> {
  if (secret.type === "text") return secret.text;
  let bytes: Buffer;
  try {
    bytes = await readStart(secret.path, MAX_SECRET_BYTES + 1);
  } catch (cause) {
    throw new PintailError("unavailable", `cannot read the secret in ${secret.path}`, { cause });
  }
  if (bytes.length > MAX_SECRET_BYTES) {
    const message = `the secret in ${secret.path} exceeds ${MAX_SECRET_BYTES} bytes`;
    throw new PintailError("unavailable", message);
  }
  return bytes.toString("utf8").trim();
}

async function readStart(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const bytes = Buffer.alloc(maxBytes);
    let length = 0;
    while (length < maxBytes) {
      const { bytesRead } = await file.read(bytes, length, maxBytes - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}
