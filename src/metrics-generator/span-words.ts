const KINDS = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const CODES = ["UNSET", "OK", "ERROR"];

/** The OTLP name of a span's kind, the number where it has none. */
export function kindText(kind: number): string {
  const word = KINDS[kind];
  return word === undefined ? String(kind) : `SPAN_KIND_${word}`;
}

/** The OTLP name of a status code, the number where it has none. */
export function statusText(code: number): string {
  const word = CODES[code];
  return word === undefined ? String(code) : `STATUS_CODE_${word}`;
}

export const SpanKind = { server: 2, client: 3, producer: 4, consumer: 5 } as const;
export const STATUS_ERROR = 2;
