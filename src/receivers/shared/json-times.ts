/** As a protobuf `Timestamp` or `Duration` holds it; both parts of a duration have its sign. */
export type SecondsAndNanos = { readonly seconds: bigint; readonly nanos: number };

const DAY_MS = 86_400_000;
const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

/** A time in the JSON form of protobuf's well-known types, or undefined when `text` is none. */
export function timeOf(kind: "timestamp" | "duration", text: string): SecondsAndNanos | undefined {
  return kind === "timestamp" ? timestampOf(text) : durationOf(text);
}

function timestampOf(text: string): SecondsAndNanos | undefined {
  const match = RFC_3339.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as SixNumbers;
  const [offsetHours, offsetMinutes] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 23 || offsetMinutes > 59) {
    return undefined;
  }
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // A day that the month does not have runs over into the next one.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const offset = (match[8] === "-" ? -60 : 60) * (offsetHours * 60 + offsetMinutes);
  const days = BigInt(Math.floor(date.getTime() / DAY_MS));
  const seconds = days * 86_400n + BigInt(hour * 3600 + minute * 60 + second - offset);
  return { seconds, nanos: nanosOf(match[7]) };
}

function durationOf(text: string): SecondsAndNanos | undefined {
  const match = DURATION.exec(text);
  if (match === null) return undefined;
  const [seconds, nanos] = [BigInt(match[2]!), nanosOf(match[3])];
  return match[1] === "-" ? { seconds: -seconds, nanos: -nanos } : { seconds, nanos };
}

function nanosOf(fraction: string | undefined): number {
  return Number((fraction ?? "").padEnd(9, "0"));
}

type SixNumbers = [number, number, number, number, number, number];
