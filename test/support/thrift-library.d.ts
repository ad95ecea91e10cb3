/** What the tests use of Apache Thrift's library, which comes without types. */
declare module "thrift" {
  export class Int64 {
    constructor(bigEndian: Buffer);
  }

  export class TBufferedTransport {
    constructor(buffer: undefined, onFlush: (bytes: Buffer) => void);
    flush(): void;
  }

  export interface TProtocol {
    writeMessageBegin(name: string, type: number, seqid: number): void;
    writeMessageEnd(): void;
    writeStructBegin(name: string): void;
    writeStructEnd(): void;
    writeFieldBegin(name: string, type: number, id: number): void;
    writeFieldEnd(): void;
    writeFieldStop(): void;
    writeListBegin(elementType: number, size: number): void;
    writeListEnd(): void;
    writeBool(value: boolean): void;
    writeI32(value: number): void;
    writeI64(value: Int64): void;
    writeDouble(value: number): void;
    writeString(value: string): void;
    writeBinary(value: Buffer): void;
  }

  export const TBinaryProtocol: new (
    transport: TBufferedTransport,
    strictRead: boolean,
    strictWrite: boolean,
  ) => TProtocol;
  export const TCompactProtocol: new (transport: TBufferedTransport) => TProtocol;

  export const Thrift: {
    readonly Type: Readonly<
      Record<"BOOL" | "DOUBLE" | "I32" | "I64" | "STRING" | "STRUCT" | "LIST", number>
    >;
    readonly MessageType: { readonly CALL: number; readonly ONEWAY: number };
  };
}
