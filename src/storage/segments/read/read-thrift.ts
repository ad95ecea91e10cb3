import type { ThriftReader } from "../parquet/thrift-reader.ts";
import { corrupt } from "./read-error.ts";

/** An integer field that counts or places something: zigzag, never negative, exact. */
export function readCount(reader: ThriftReader): number {
  const raw = reader.varint();
  if (raw % 2 !== 0 || raw > Number.MAX_SAFE_INTEGER) throw corrupt("a number is out of range");
  return raw / 2;
}
