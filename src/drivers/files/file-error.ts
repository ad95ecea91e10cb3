import { type ErrorKind, isPintailError, PintailError } from "../../errors.ts";

/** A full disk is looked at again this much later. */
export const DISK_RETRY_MS = 5000;

const KINDS: Readonly<Record<string, { kind: ErrorKind; what: string }>> = {
  ENOSPC: { kind: "unavailable", what: "no space left on the disk" },
  EDQUOT: { kind: "unavailable", what: "disk quota exceeded" },
  EFBIG: { kind: "unavailable", what: "file size limit reached" },
  EROFS: { kind: "unavailable", what: "file system is read only" },
  EIO: { kind: "unavailable", what: "disk input/output error" },
  EMFILE: { kind: "unavailable", what: "too many open files" },
  ENFILE: { kind: "unavailable", what: "too many open files" },
  ENOMEM: { kind: "unavailable", what: "out of memory" },
  ENOENT: { kind: "not_found", what: "no such file" },
};

/** `cannot <action> <path>: <reason>`, of the kind that says whether trying again can help. */
export function fileError(action: string, path: string, cause: unknown): PintailError {
  if (isPintailError(cause)) return cause;
  const code = errorCode(cause);
  const known = code === undefined ? undefined : KINDS[code];
  const reason = known?.what ?? code ?? (cause instanceof Error ? cause.message : String(cause));
  const kind = known?.kind ?? "internal";
  return new PintailError(kind, `cannot ${action} ${path}: ${reason}`, {
    cause,
    ...(kind === "unavailable" ? { retryAfterMs: DISK_RETRY_MS } : {}),
  });
}

export function errorCode(e: unknown): string | undefined {
  const code = (e as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
