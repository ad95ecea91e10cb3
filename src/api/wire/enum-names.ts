const SPAN_KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUS_CODES = ["UNSET", "OK", "ERROR"];

/** `SPAN_KIND_SERVER` and the like; a number that OTLP does not define stays a number. */
export function spanKindName(kind: number): string | number {
  const name = SPAN_KINDS[kind];
  return name === undefined ? kind : `SPAN_KIND_${name}`;
}

/** `STATUS_CODE_ERROR` and the like. */
export function statusCodeName(code: number): string | number {
  const name = STATUS_CODES[code];
  return name === undefined ? code : `STATUS_CODE_${name}`;
}
