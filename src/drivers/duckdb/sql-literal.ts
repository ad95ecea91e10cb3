export type SqlScalar = null | boolean | number | bigint | string | Uint8Array;

/** A value as SQL text. Throws for what has no literal: NUL in a string, numbers that are not finite. */
export function sqlLiteral(value: SqlScalar): string {
  if (value === null) return "NULL";
  if (typeof value === "string") {
    if (value.includes("\0")) throw new Error("a SQL text cannot hold NUL");
    return `'${value.replaceAll("'", "''")}'`;
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new Error(`${value} has no SQL literal`);
    return String(value);
  }
  if (value instanceof Uint8Array) return `from_base64('${base64(value)}')`;
  return String(value);
}

export function sqlList(values: readonly SqlScalar[]): string {
  return `[${values.map(sqlLiteral).join(", ")}]`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
