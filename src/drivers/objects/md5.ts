import { createHash } from "node:crypto";

/**
 * What every S3-compatible store and GCS check uploads by, also those without newer checksums. It
 * guards against broken transfers, not against forgery.
 */
export function md5(...chunks: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("md5");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest();
}

export function md5Hex(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}
