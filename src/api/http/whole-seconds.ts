/** Milliseconds since 1970. */
export type MsRange = { readonly fromMs: number; readonly toMs: number };

/** `start` and `end` of Tempo's routes, whole seconds around the range. */
export function wholeSeconds({ fromMs, toMs }: MsRange): { start: string; end: string } {
  // A start of 0 would be none.
  const start = Math.max(1, Math.floor(fromMs / 1000));
  return { start: String(start), end: String(Math.max(start + 1, Math.ceil(toMs / 1000))) };
}
