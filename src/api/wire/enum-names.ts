import { SPAN_KIND_NAMES, STATUS_CODE_NAMES } from "../../model/enum-names.ts";

/** `SPAN_KIND_SERVER` and the like; a number that OTLP does not define stays a number. */
export function spanKindName(kind: number): string | number {
  return SPAN_KIND_NAMES[kind] ?? kind;
}

/** `STATUS_CODE_ERROR` and the like. */
export function statusCodeName(code: number): string | number {
  return STATUS_CODE_NAMES[code] ?? code;
}
