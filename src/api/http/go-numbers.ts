import { PintailError } from "../../errors.ts";

/**
 * An unsigned decimal number, in range or refused in the words of Go's strconv, which clients of
 * Tempo see: `invalid limit: strconv.ParseUint: parsing "abc": invalid syntax`.
 */
export function parseUint(name: string, text: string, max: bigint): bigint {
  return checkedNumber(name, "ParseUint", text, /^[0-9]+$/, 0n, max);
}

export function parseInt64(name: string, text: string): bigint {
  return checkedNumber(name, "ParseInt", text, /^[+-]?[0-9]+$/, -(2n ** 63n), 2n ** 63n - 1n);
}

/** More digits than any number in range has; `BigInt` of a long text is slow. */
const MAX_DIGITS = 64;

function checkedNumber(
  name: string,
  fn: string,
  text: string,
  syntax: RegExp,
  min: bigint,
  max: bigint,
): bigint {
  const fail = (reason: string): PintailError =>
    new PintailError(
      "invalid",
      `invalid ${name}: strconv.${fn}: parsing ${quoted(text)}: ${reason}`,
    );
  if (!syntax.test(text)) throw fail("invalid syntax");
  if (text.length > MAX_DIGITS) throw fail("value out of range");
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  if (value < min || value > max) throw fail("value out of range");
  return value;
}

const MAX_QUOTED = 200;

/** A parameter's text in an error message, quoted and of bounded length. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text);
}
