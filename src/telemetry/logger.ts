import type { LogSettings } from "./settings.ts";

export type LogLevel = LogSettings["level"];
export type LogFields = Readonly<Record<string, unknown>>;

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
/** Longer field values are cut, so that one hostile header cannot fill a disk. */
const MAX_VALUE_CHARS = 4096;

export type LogSink = (line: string) => void;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each record. */
  with(fields: LogFields): Logger;
}

/**
 * A logger of one line per record. Messages are constant texts; what varies goes into fields, where
 * `Error` values keep their cause, and in full (with the stack) at level `error`.
 */
export function createLogger(
  settings: LogSettings,
  nowUnixMs: () => number,
  sink: LogSink = (line) => console.log(line),
): Logger {
  const format = settings.format === "json" ? jsonLine : logfmtLine;
  const lowest = RANK[settings.level];
  const bound = (base: LogFields): Logger => {
    const log = (level: LogLevel, message: string, fields?: LogFields) => {
      if (RANK[level] < lowest) return;
      const record: Record<string, unknown> = {
        ts: new Date(nowUnixMs()).toISOString(),
        level,
        msg: message,
      };
      for (const [key, value] of Object.entries({ ...base, ...fields })) {
        if (value !== undefined) record[key] = plain(value, level === "error");
      }
      sink(format(record));
    };
    return {
      debug: (message, fields) => log("debug", message, fields),
      info: (message, fields) => log("info", message, fields),
      warn: (message, fields) => log("warn", message, fields),
      error: (message, fields) => log("error", message, fields),
      with: (fields) => bound({ ...base, ...fields }),
    };
  };
  return bound({});
}

/** A logger that drops everything. */
export const silentLogger: Logger = createLogger(
  { level: "error", format: "json" },
  () => 0,
  () => {},
);

/**
 * Lets the first call of an `intervalMs` through and counts the others; the count appears as
 * `suppressed` with the next record.
 */
export function rateLimited(
  log: (message: string, fields?: LogFields) => void,
  intervalMs: number,
  monotonicMs: () => number,
): (message: string, fields?: LogFields) => void {
  let openAgainMs = Number.NEGATIVE_INFINITY;
  let suppressed = 0;
  return (message, fields) => {
    const now = monotonicMs();
    if (now < openAgainMs) {
      suppressed++;
      return;
    }
    openAgainMs = now + intervalMs;
    log(message, suppressed === 0 ? fields : { ...fields, suppressed });
    suppressed = 0;
  };
}

/** Numbers and booleans stay, the rest becomes bounded text. */
function plain(value: unknown, withStack: boolean): string | number | boolean | null {
  switch (typeof value) {
    case "number":
    case "boolean":
      return value;
    case "string":
      return cut(value);
    case "object":
      if (value === null) return null;
      if (value instanceof Error) return cut(errorText(value, withStack));
      return cut(objectText(value));
    default:
      return cut(String(value));
  }
}

function errorText(error: Error, withStack: boolean): string {
  const text = withStack && error.stack !== undefined ? error.stack : error.message;
  return error.cause instanceof Error
    ? `${text}; caused by: ${errorText(error.cause, withStack)}`
    : text;
}

function objectText(value: object): string {
  try {
    return JSON.stringify(value, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v));
  } catch {
    return "[unprintable]";
  }
}

function cut(text: string): string {
  return text.length <= MAX_VALUE_CHARS ? text : `${text.slice(0, MAX_VALUE_CHARS)}…`;
}

function jsonLine(record: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(record);
}

function logfmtLine(record: Readonly<Record<string, unknown>>): string {
  return Object.entries(record)
    .map(([key, value]) => `${logfmtKey(key)}=${logfmtValue(value)}`)
    .join(" ");
}

function logfmtKey(key: string): string {
  return key.replace(/[\s="]/g, "_");
}

function logfmtValue(value: unknown): string {
  const text = String(value);
  // JSON's quoting also keeps the record on one line.
  return /^[^\s="\p{Cc}\\]+$/u.test(text) ? text : JSON.stringify(text);
}
