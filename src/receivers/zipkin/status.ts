import type { StringTable } from "../../model/string-table.ts";

/** OTLP's codes. */
export const StatusCode = { unset: 0, ok: 1, error: 2 } as const;

/**
 * Spellings of `otel.status_code`: the Collector's two, and the one of the SDKs' exporters, which
 * Tempo takes for "unset". Any other one is "unset" too.
 */
const SPELLINGS: readonly (readonly [string, number])[] = [
  ["STATUS_CODE_OK", StatusCode.ok],
  ["Ok", StatusCode.ok],
  ["OK", StatusCode.ok],
  ["STATUS_CODE_ERROR", StatusCode.error],
  ["Error", StatusCode.error],
  ["ERROR", StatusCode.error],
];

/** Status codes by the string id of their spelling. */
export function statusCodesById(strings: StringTable): ReadonlyMap<number, number> {
  return new Map(SPELLINGS.map(([text, code]) => [strings.internText(text), code]));
}
