import { SPAN_KIND_NAMES, STATUS_CODE_NAMES } from "../model/enum-names.ts";

/** The OTLP name of a span's kind, the number where it has none. */
export function kindText(kind: number): string {
  return SPAN_KIND_NAMES[kind] ?? String(kind);
}

/** The OTLP name of a status code, the number where it has none. */
export function statusText(code: number): string {
  return STATUS_CODE_NAMES[code] ?? String(code);
}

export const SpanKind = { server: 2, client: 3, producer: 4, consumer: 5 } as const;
export const STATUS_ERROR = 2;
