import thrift, { type TProtocol } from "thrift";

/** A field: its id, its type and its value. */
export type ThriftField =
  | readonly [id: number, type: "string", value: string]
  | readonly [id: number, type: "binary", value: Uint8Array]
  | readonly [id: number, type: "bool", value: boolean]
  | readonly [id: number, type: "i32", value: number]
  | readonly [id: number, type: "i64", value: bigint]
  | readonly [id: number, type: "double", value: number]
  | readonly [id: number, type: "struct", value: ThriftStruct]
  | readonly [id: number, type: "structs", value: readonly ThriftStruct[]];
export type ThriftStruct = readonly ThriftField[];

const { Type, MessageType } = thrift.Thrift;
const TYPES: Readonly<Record<ThriftField[1], number>> = {
  string: Type.STRING,
  binary: Type.STRING,
  bool: Type.BOOL,
  i32: Type.I32,
  i64: Type.I64,
  double: Type.DOUBLE,
  struct: Type.STRUCT,
  structs: Type.LIST,
};

export type ThriftProtocol = "binary" | "binary without version" | "compact";

/** A struct as Apache Thrift's own library writes it. */
export function encodeStruct(
  struct: ThriftStruct,
  protocol: ThriftProtocol,
): Uint8Array<ArrayBuffer> {
  return encode(protocol, (out) => writeStruct(out, struct));
}

/** A message whose arguments are `struct`. */
export function encodeMessage(
  name: string,
  struct: ThriftStruct,
  protocol: ThriftProtocol,
  type: "ONEWAY" | "CALL" = "ONEWAY",
): Uint8Array<ArrayBuffer> {
  return encode(protocol, (out) => {
    out.writeMessageBegin(name, MessageType[type], 0);
    writeStruct(out, struct);
    out.writeMessageEnd();
  });
}

function encode(
  protocol: ThriftProtocol,
  write: (out: TProtocol) => void,
): Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array(0);
  const transport = new thrift.TBufferedTransport(undefined, (flushed) => {
    bytes = Uint8Array.from(flushed);
  });
  write(
    protocol === "compact"
      ? new thrift.TCompactProtocol(transport)
      : new thrift.TBinaryProtocol(transport, false, protocol === "binary"),
  );
  transport.flush();
  return bytes;
}

function writeStruct(out: TProtocol, struct: ThriftStruct): void {
  out.writeStructBegin("");
  for (const field of struct) {
    out.writeFieldBegin("", TYPES[field[1]], field[0]);
    writeValue(out, field);
    out.writeFieldEnd();
  }
  out.writeFieldStop();
  out.writeStructEnd();
}

function writeValue(out: TProtocol, field: ThriftField): void {
  switch (field[1]) {
    case "string":
      out.writeString(field[2]);
      return;
    case "binary":
      out.writeBinary(Buffer.from(field[2]));
      return;
    case "bool":
      out.writeBool(field[2]);
      return;
    case "i32":
      out.writeI32(field[2]);
      return;
    case "i64": {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(BigInt.asIntN(64, field[2]));
      out.writeI64(new thrift.Int64(bytes));
      return;
    }
    case "double":
      out.writeDouble(field[2]);
      return;
    case "struct":
      writeStruct(out, field[2]);
      return;
    case "structs":
      out.writeListBegin(Type.STRUCT, field[2].length);
      for (const each of field[2]) writeStruct(out, each);
      out.writeListEnd();
      return;
    default:
      field satisfies never;
  }
}
