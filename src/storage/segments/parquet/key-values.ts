import { PintailError } from "../../../errors.ts";
import type { ThriftReader } from "./thrift-reader.ts";
import { ThriftType } from "./thrift-writer.ts";

/** Ours are shorter, and the text of a key takes memory. */
const MAX_KEY_BYTES = 64;

/** Reads the list of a footer's key-value metadata; values, parts of the footer, by those of `keys`. */
export function readKeyValues(
  reader: ThriftReader,
  keys: ReadonlySet<string>,
): Map<string, Uint8Array> {
  const decoder = new TextDecoder();
  const values = new Map<string, Uint8Array>();
  const list = reader.beginList();
  if (list.type !== ThriftType.struct) {
    throw new PintailError("corrupt", "invalid parquet footer: its metadata is no list of structs");
  }
  for (let i = 0; i < list.count; i++) {
    let key = "";
    let value: Uint8Array | undefined;
    reader.beginStruct();
    for (let type = reader.nextField(); type !== 0; type = reader.nextField()) {
      const id = type === ThriftType.binary ? reader.fieldId : 0;
      if (id === 1) {
        const bytes = reader.binary();
        key = bytes.length <= MAX_KEY_BYTES ? decoder.decode(bytes) : "";
      } else if (id === 2) value = reader.binary();
      else reader.skip(type);
    }
    if (keys.has(key)) values.set(key, value ?? new Uint8Array(0));
  }
  return values;
}
