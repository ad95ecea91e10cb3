import { DecodeError } from "../../model/decode-error.ts";
import type { StringTable } from "../../model/string-table.ts";
import type { JsonReader } from "../shared/json-reader.ts";
import { parseMicros } from "./micros.ts";

/**
 * Member numbers by name, for a `switch`. Tempo takes names in any letter case: `memberOf` finds
 * those too.
 */
export type MemberNames = ReadonlyMap<string, number>;

export function memberNames(members: Readonly<Record<string, number>>): MemberNames {
  const names = new Map<string, number>();
  for (const [name, number] of Object.entries(members)) {
    names.set(name, number);
    names.set(name.toLowerCase(), number);
  }
  return names;
}

/** The number of member `name`, 0 when it is not known. */
export function memberOf(names: MemberNames, name: string): number {
  return names.get(name) ?? names.get(name.toLowerCase()) ?? 0;
}

/** The next member's number, 0 for one that is not known, -1 at the end of the object. */
export function nextMember(reader: JsonReader, names: MemberNames, first: boolean): number {
  const name = reader.nextName(first);
  return name === undefined ? -1 : memberOf(names, name);
}

export function internString(reader: JsonReader, strings: StringTable): number {
  reader.string();
  return strings.intern(reader.text, reader.start, reader.end);
}

/** Microseconds; throws for anything but a number that is not negative. */
export function readMicros(reader: JsonReader): number {
  const at = reader.pos;
  reader.numberBytes();
  const micros = parseMicros(reader.text, reader.start, reader.end);
  if (micros < 0) throw reader.error("expected microseconds, neither negative nor beyond 2^53", at);
  return micros;
}

/** A port number, 0 for "none". */
export function readPort(reader: JsonReader): number {
  const at = reader.pos;
  const port = Number(reader.number());
  if (Number.isInteger(port) && port >= 0 && port <= 0xffff) return port;
  throw reader.error("a port is a number from 0 to 65535", at);
}

export function badId(what: string): DecodeError {
  return new DecodeError("syntax", `invalid ${what}`);
}
