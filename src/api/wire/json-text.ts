const ESCAPES: Record<string, string> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/**
 * JSON as Go's encoder writes it: these characters, which JSON has only inside strings, are
 * escaped. Keys with the value `undefined` are left out; objects must hold no `bigint`.
 */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (char) => ESCAPES[char] ?? char);
}

/** For numbers and strings that protobuf's JSON leaves out when they equal their default. */
export function unlessDefault<T extends number | string>(value: T): T | undefined {
  return value === 0 || value === "" ? undefined : value;
}

/** A 64-bit number: a decimal string, left out when 0. */
export function decimalUnlessZero(value: bigint | number): string | undefined {
  return value === 0n || value === 0 ? undefined : value.toString();
}
