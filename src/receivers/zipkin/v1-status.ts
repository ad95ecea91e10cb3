import { AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import type { StringTable } from "../../model/string-table.ts";
import type { BinaryValue } from "./attribute-text.ts";
import { StatusCode, statusCodesById } from "./status.ts";

/** What a binary annotation says of the status; `http` ones stay attributes as well. */
const Part = {
  censusCode: 1,
  censusMessage: 2,
  otelCode: 3,
  otelMessage: 4,
  error: 5,
  httpCode: 6,
  httpMessage: 7,
} as const;

const KEYS: readonly (readonly [string, number])[] = [
  ["census.status_code", Part.censusCode],
  ["census.status_description", Part.censusMessage],
  ["opencensus.status_description", Part.censusMessage],
  ["otel.status_code", Part.otelCode],
  ["otel.status_description", Part.otelMessage],
  ["error", Part.error],
  ["http.status_code", Part.httpCode],
  ["http.status_message", Part.httpMessage],
];

/**
 * The status of a v1 span, which four families of tags may speak of: OpenCensus, OpenTelemetry,
 * `error`, HTTP, in this order of precedence.
 */
export class V1Status {
  readonly #strings: StringTable;
  readonly #parts: ReadonlyMap<number, number>;
  readonly #spellings: ReadonlyMap<number, number>;
  readonly #true: number;
  #census: number | undefined;
  #otel: number | undefined;
  #error = false;
  #http: number | undefined;
  // String ids, 0 where absent.
  #censusMessage = 0;
  #otelMessage = 0;
  #errorMessage = 0;
  #httpMessage = 0;

  constructor(strings: StringTable) {
    this.#strings = strings;
    this.#parts = new Map(KEYS.map(([key, part]) => [strings.internText(key), part]));
    this.#spellings = statusCodesById(strings);
    this.#true = strings.internText("true");
  }

  reset(): void {
    this.#census = undefined;
    this.#otel = undefined;
    this.#error = false;
    this.#http = undefined;
    this.#censusMessage = 0;
    this.#otelMessage = 0;
    this.#errorMessage = 0;
    this.#httpMessage = 0;
  }

  /** Whether the annotation is about the status and nothing else, so that it is no attribute. */
  take(key: number, value: BinaryValue): boolean {
    const part = this.#parts.get(key);
    if (part === undefined) return false;
    const message = value.type === AttributeType.string ? value.lo : 0;
    switch (part) {
      case Part.censusCode:
        this.#census = this.#integer(value);
        return true;
      case Part.censusMessage:
        this.#censusMessage = message;
        return true;
      case Part.otelCode:
        this.#otel = this.#integer(value) ?? this.#spellings.get(message);
        return true;
      case Part.otelMessage:
        this.#otelMessage = message;
        return true;
      case Part.error:
        this.#error = true;
        // "true" says no more than the code does.
        this.#errorMessage = message === this.#true ? 0 : message;
        return true;
      case Part.httpCode:
        this.#http = this.#integer(value);
        return false;
      default:
        this.#httpMessage = message;
        return false;
    }
  }

  store(batch: SpanBatch, row: number): void {
    if (this.#census !== undefined) {
      batch.status[row] = this.#census === 0 ? StatusCode.ok : StatusCode.error;
      batch.statusMessage[row] = this.#censusMessage;
    } else if (this.#otel !== undefined) {
      batch.status[row] = this.#otel;
      batch.statusMessage[row] = this.#otelMessage;
    } else if (this.#error) {
      batch.status[row] = StatusCode.error;
      batch.statusMessage[row] = this.#errorMessage;
    } else if (this.#http !== undefined) {
      const isFine = this.#http >= 100 && this.#http < 400;
      batch.status[row] = isFine ? StatusCode.unset : StatusCode.error;
      batch.statusMessage[row] = this.#httpMessage;
    }
  }

  /** A 32-bit integer, in a text too; undefined for anything else. */
  #integer({ type, lo, hi }: BinaryValue): number | undefined {
    if (type === AttributeType.int) return hi === ((lo | 0) >> 31) >>> 0 ? lo | 0 : undefined;
    if (type !== AttributeType.string) return undefined;
    const text = this.#strings.text(lo);
    if (!/^-?\d{1,9}$/.test(text)) return undefined;
    return Number(text);
  }
}
